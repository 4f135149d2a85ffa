/**
 * Ids of DHT nodes, the targets that items are filed under, and how far they are from each other: the XOR
 * metric of BEP 5 ("Overview"). An id is five 32-bit words, since a look-up compares thousands of them, and
 * its hexadecimal form, by which items are filed.
 */

/** SHA-1 sized (BEP 5). */
export const ID_BYTES = 20

/** Hexadecimal digits of an id in a trace. */
const SHORT_DIGITS = 6

/** 160 bits: five words, most significant first, each unsigned. */
export class NodeId {
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
  readonly e: number
  #hex: string | undefined

  constructor(a: number, b: number, c: number, d: number, e: number) {
    this.a = a
    this.b = b
    this.c = c
    this.d = d
    this.e = e
  }

  /** 40 digits. */
  get hex(): string {
    // Most ids are compared and never written down.
    return (this.#hex ??= hexOf(this.a) + hexOf(this.b) + hexOf(this.c) + hexOf(this.d) + hexOf(this.e))
  }

  /** The first of them, for people. */
  get short(): string {
    return this.hex.slice(0, SHORT_DIGITS)
  }
}

const hexOf = (word: number): string => word.toString(16).padStart(8, "0")

/** The id of {@link ID_BYTES} bytes, wherever they come from. */
export const fromBytes = (bytes: Uint8Array): NodeId => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, ID_BYTES)
  return new NodeId(view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12), view.getUint32(16))
}

export const equals = (self: NodeId, that: NodeId): boolean =>
  self === that ||
  (self.a === that.a && self.b === that.b && self.c === that.c && self.d === that.d && self.e === that.e)

/** Whether `self` is closer to the target than `that`. */
export const isCloser = (target: NodeId, self: NodeId, that: NodeId): boolean => {
  if (self.a !== that.a) return (self.a ^ target.a) >>> 0 < (that.a ^ target.a) >>> 0
  if (self.b !== that.b) return (self.b ^ target.b) >>> 0 < (that.b ^ target.b) >>> 0
  if (self.c !== that.c) return (self.c ^ target.c) >>> 0 < (that.c ^ target.c) >>> 0
  if (self.d !== that.d) return (self.d ^ target.d) >>> 0 < (that.d ^ target.d) >>> 0
  return (self.e ^ target.e) >>> 0 < (that.e ^ target.e) >>> 0
}

/** How many of the first bits two ids have in common, 0 to 160: the number of the k-bucket of one in the table of the other. */
export const commonBits = (self: NodeId, that: NodeId): number => {
  if (self.a !== that.a) return Math.clz32(self.a ^ that.a)
  if (self.b !== that.b) return 32 + Math.clz32(self.b ^ that.b)
  if (self.c !== that.c) return 64 + Math.clz32(self.c ^ that.c)
  if (self.d !== that.d) return 96 + Math.clz32(self.d ^ that.d)
  return 128 + Math.clz32(self.e ^ that.e)
}

/** The `count` closest to a target, closest first. */
export const closest = <A extends { readonly id: NodeId }>(
  from: Iterable<A>,
  target: NodeId,
  count: number
): Array<A> => {
  const out: Array<A> = []
  for (const each of from) {
    const isFull = out.length >= count
    if (isFull && (count === 0 || !isCloser(target, each.id, out[count - 1]!.id))) continue
    let at = isFull ? count - 1 : out.length
    for (; at > 0 && isCloser(target, each.id, out[at - 1]!.id); at--) out[at] = out[at - 1]!
    out[at] = each
  }
  return out
}

/** Its {@link ID_BYTES} bytes. */
export const toBytes = ({ a, b, c, d, e }: NodeId): Uint8Array => {
  const bytes = new Uint8Array(ID_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, a)
  view.setUint32(4, b)
  view.setUint32(8, c)
  view.setUint32(12, d)
  view.setUint32(16, e)
  return bytes
}

/**
 * The distance as a share of the whole space, from 0 to 1. Its first 64 bits count: as many nodes as would
 * be needed to fill them do not exist.
 */
export const distanceShare = (self: NodeId, that: NodeId): number =>
  ((self.a ^ that.a) >>> 0) / 2 ** 32 + ((self.b ^ that.b) >>> 0) / 2 ** 64

/** `self` with one bit turned, 0 being the first: in the half of the space that begins there and does not hold `self`. */
export const flip = (self: NodeId, bit: number): NodeId => {
  const bytes = toBytes(self)
  bytes[bit >> 3]! ^= 0x80 >> (bit & 7)
  return fromBytes(bytes)
}
