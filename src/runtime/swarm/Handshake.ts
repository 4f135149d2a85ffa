/**
 * The first 68 bytes on a peer connection (BEP 3): the protocol's name, eight reserved bytes whose
 * bit 20 from the right announces the extension protocol (BEP 10), whose third last bit the fast extension (BEP 6) and
 * whose last bit a DHT node (BEP 5), the infohash and the peer's id.
 */
import * as Option from "effect/Option"
import * as Infohash from "../../protocol/core/Infohash.ts"

export const HANDSHAKE_BYTES = 68
export const PEER_ID_BYTES = 20

/** "\x13BitTorrent protocol" (BEP 3). */
const PROTOCOL = Buffer.from("\u0013BitTorrent protocol", "latin1")
const INFOHASH_AT = PROTOCOL.length + 8
const PEER_ID_AT = INFOHASH_AT + Infohash.INFOHASH_BYTES

/** BEP 10: the sixth reserved byte, mask 0x10. */
const EXTENDED_AT = PROTOCOL.length + 5
const EXTENDED_MASK = 0x10

/** BEP 5 "BitTorrent Protocol Extension": the last reserved byte. */
const DHT_AT = PROTOCOL.length + 7
const DHT_MASK = 0x01

/** BEP 6: the last reserved byte, mask 0x04. */
const FAST_AT = DHT_AT
const FAST_MASK = 0x04

export interface Handshake {
  readonly infohash: Infohash.Infohash
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** Whether the peer speaks the extension protocol (BEP 10). */
  readonly extended: boolean
  /** Whether the peer has a DHT node (BEP 5). */
  readonly dht: boolean
  /** Whether the peer speaks the fast extension (BEP 6). */
  readonly fast: boolean
}

export interface Announced {
  /** A DHT node (BEP 5). */
  readonly dht?: boolean
  /** The fast extension (BEP 6). */
  readonly fast?: boolean
}

/** 68 bytes that announce the extension protocol, and what else is named. */
export const encode = (
  infohash: Infohash.Infohash,
  peerId: Uint8Array,
  { dht = false, fast = false }: Announced = {}
): Uint8Array => {
  const bytes = new Uint8Array(HANDSHAKE_BYTES)
  bytes.set(PROTOCOL)
  bytes[EXTENDED_AT] = EXTENDED_MASK
  bytes[DHT_AT] = (dht ? DHT_MASK : 0) | (fast ? FAST_MASK : 0)
  bytes.set(infohash, INFOHASH_AT)
  bytes.set(peerId, PEER_ID_AT)
  return bytes
}

/** Whether `bytes` can be how a handshake begins: a stranger speaking another protocol is told apart at once. */
export const isPrefix = (bytes: Uint8Array): boolean => {
  const length = Math.min(bytes.length, PROTOCOL.length)
  return PROTOCOL.subarray(0, length).equals(bytes.subarray(0, length))
}

/** `None` unless there are 68 bytes that begin with the protocol's name. */
export const decode = (bytes: Uint8Array): Option.Option<Handshake> =>
  bytes.length !== HANDSHAKE_BYTES || !isPrefix(bytes)
    ? Option.none()
    : Option.map(
        Infohash.fromBytes(Uint8Array.prototype.slice.call(bytes, INFOHASH_AT, PEER_ID_AT)),
        (infohash): Handshake => ({
          infohash,
          peerId: Uint8Array.prototype.slice.call(bytes, PEER_ID_AT),
          extended: (bytes[EXTENDED_AT]! & EXTENDED_MASK) !== 0,
          dht: (bytes[DHT_AT]! & DHT_MASK) !== 0,
          fast: (bytes[FAST_AT]! & FAST_MASK) !== 0
        })
      )
