/** How messages of the peer wire begin (BEP 3): length prefix, id, big-endian numbers; a body may follow. */

/** Message ids: BEP 3, port of BEP 5, suggest to allowedFast of BEP 6, extended of BEP 10. */
export const Id = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  uninterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20
} as const

/** The head of a message with `numbers` (u32), behind which `bodyBytes` more are to be sent. */
export const head = (id: number, numbers: ReadonlyArray<number>, bodyBytes = 0): Uint8Array => {
  const bytes = new Uint8Array(5 + 4 * numbers.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 1 + 4 * numbers.length + bodyBytes)
  bytes[4] = id
  numbers.forEach((number, i) => view.setUint32(5 + 4 * i, number))
  return bytes
}
