/** How a DHT node is written on a command line. */

const NODE = /^([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?):([1-9]\d{0,4})$/

/** Whether it is `host:port` of somebody to ask; the host may be a name. */
export const isNode = (text: string): boolean => {
  const match = NODE.exec(text)
  return match !== null && Number(match[2]) <= 65_535
}
