/**
 * What neighbours on a LAN say to all (BEP 14): a short message in the form of an HTTP request, which tells the port
 * that a client listens on and what it takes part in. Read strictly; whoever sent it is known by the datagram alone.
 */
import * as Option from "effect/Option"

/** BEP 14: the group of IPv4. */
export const GROUP = "239.192.152.143"
export const PORT = 6771

/** BEP 14: announcements stay within one unfragmented datagram. */
export const MESSAGE_MAX_BYTES = 1400

/** Infohashes of one announcement: as many as fit. */
const INFOHASHES_MAX = 25

const COOKIE_MAX_LENGTH = 64

export interface Announcement {
  /** On which the sender listens. */
  readonly port: number
  /** 40 hex digits each, lower case; at least one. */
  readonly infohashes: ReadonlyArray<string>
  /** By which a sender knows its own announcements. */
  readonly cookie: string | undefined
}

const REQUEST_LINE = "BT-SEARCH * HTTP/1.1"

/** What BEP 14 shows: two empty lines at the end. */
export const encode = ({ cookie, infohashes, port }: Announcement): Uint8Array =>
  new TextEncoder().encode(
    [
      REQUEST_LINE,
      `Host: ${GROUP}:${PORT}`,
      `Port: ${port}`,
      ...infohashes.map((infohash) => `Infohash: ${infohash}`),
      ...(cookie === undefined ? [] : [`cookie: ${cookie}`]),
      "",
      "",
      ""
    ].join("\r\n")
  )

/** Printable ASCII and line ends: what is left over when nothing else is there. */
const isPlain = (text: string): boolean => /^[\x20-\x7e\r\n]*$/.test(text)

const readPort = (text: string): number | undefined => {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? port : undefined
}

/** `None` for what is not exactly an announcement to this group. Headers that BEP 14 does not name are passed over. */
export const decode = (datagram: Uint8Array): Option.Option<Announcement> => {
  if (datagram.length > MESSAGE_MAX_BYTES) return Option.none()
  const text = new TextDecoder("latin1").decode(datagram)
  if (!isPlain(text) || !text.endsWith("\r\n\r\n")) return Option.none()
  const [first, ...lines] = text.replace(/(?:\r\n)+$/, "").split("\r\n")
  if (first !== REQUEST_LINE) return Option.none()
  const headers = new Map<string, Array<string>>()
  for (const line of lines) {
    const [, name, value] = /^([A-Za-z-]+):[ ]*([^\r\n]*?)[ ]*$/.exec(line) ?? []
    if (name === undefined || value === undefined) return Option.none()
    const key = name.toLowerCase()
    headers.set(key, [...(headers.get(key) ?? []), value])
  }
  const [host, port, cookie] = [headers.get("host"), headers.get("port"), headers.get("cookie") ?? []]
  const infohashes = headers.get("infohash") ?? []
  const listening = port?.length === 1 ? readPort(port[0]!) : undefined
  if (host?.length !== 1 || host[0] !== `${GROUP}:${PORT}` || listening === undefined) return Option.none()
  if (infohashes.length === 0 || infohashes.length > INFOHASHES_MAX) return Option.none()
  if (!infohashes.every((infohash) => /^[0-9a-fA-F]{40}$/.test(infohash))) return Option.none()
  if (cookie.length > 1 || (cookie[0]?.length ?? 0) > COOKIE_MAX_LENGTH) return Option.none()
  return Option.some({
    port: listening,
    infohashes: infohashes.map((infohash) => infohash.toLowerCase()),
    cookie: cookie[0]
  })
}
