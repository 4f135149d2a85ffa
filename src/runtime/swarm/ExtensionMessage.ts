/**
 * Messages of the extension protocol (BEP 10) and of the metadata exchange (BEP 9): the handshake
 * that names and numbers extensions, and request, data and reject for 16 KiB pieces of the info dictionary.
 *
 * torrent-stream's own exchange leaves out `total_size`, without which other clients cannot take
 * our metadata, and allocates by a stranger's length prefix; its half is never used.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Bencode from "../../protocol/core/Bencode.ts"

/** Extension id 0 is the handshake (BEP 10). */
export const HANDSHAKE_ID = 0
/** The name of the metadata exchange in the handshake (BEP 9). */
export const UT_METADATA = "ut_metadata"
/** A handshake with the fifty extensions of the most talkative client has about 1 KiB; longer ones are not read. */
export const HANDSHAKE_MAX_BYTES = 4 * 1024
/** Extensions of one handshake that are remembered, and how long their names may be. */
export const NAMES_MAX = 64
export const NAME_MAX_BYTES = 64
/** Client and version (`v`), cut off. */
export const VERSION_MAX_CHARS = 64
/** BEP 9: metadata goes in pieces of 16 KiB. */
export const METADATA_PIECE_BYTES = 16 * 1024
/** The dictionary before the bytes of a metadata message: three short keys with integers. */
const METADATA_HEADER_MAX_BYTES = 256

export interface ExtensionHandshake {
  /** The id under which the peer takes messages of each extension; 0 where it has switched one off. */
  readonly ids: ReadonlyMap<string, number>
  /** Bytes of the info dictionary as the peer says; `undefined` when it says nothing usable. */
  readonly metadataSize: number | undefined
  /** Requests that the peer queues (`reqq`), at least 1. */
  readonly requestQueue: number | undefined
  /** TCP port on which the peer listens. */
  readonly port: number | undefined
  /** The client, as it calls itself: at most 64 printable characters. */
  readonly version: string | undefined
}

export type MetadataMessage =
  | { readonly _tag: "Request" | "Reject"; readonly piece: number }
  | { readonly _tag: "Data"; readonly piece: number; readonly bytes: Uint8Array }

const isNatural = (value: unknown): value is number => typeof value === "number" && value >= 0

const isDictionary = (value: Bencode.Value | undefined): value is Bencode.Dictionary =>
  typeof value === "object" && !(value instanceof Uint8Array) && !Array.isArray(value)

const decodeDictionary = (bytes: Uint8Array): Option.Option<Bencode.Dictionary> =>
  Option.filter(Result.getSuccess(Bencode.decode(bytes, { canonicalKeys: false, maxDepth: 8 })), isDictionary)

/** `names` get the ids 1, 2 and so on. `metadataSize` where the info dictionary is at hand. `reqq` is how many requests we queue. */
export const encodeHandshake = (options: {
  readonly names: ReadonlyArray<string>
  readonly metadataSize?: number | undefined
  readonly port?: number | undefined
  readonly reqq: number
  readonly version?: string | undefined
}): Uint8Array =>
  Bencode.encode({
    m: Object.fromEntries(options.names.map((name, i) => [name, i + 1])),
    ...(options.metadataSize === undefined ? {} : { metadata_size: options.metadataSize }),
    ...(options.port === undefined ? {} : { p: options.port }),
    reqq: options.reqq,
    ...(options.version === undefined ? {} : { v: Bencode.utf8(options.version) })
  })

const idsOf = (m: Bencode.Value | undefined): ReadonlyMap<string, number> => {
  const ids = new Map<string, number>()
  if (!isDictionary(m)) return ids
  for (const [name, id] of Object.entries(m)) {
    if (ids.size >= NAMES_MAX) break
    if (name.length <= NAME_MAX_BYTES && isNatural(id) && id <= 255) ids.set(name, id)
  }
  return ids
}

const within = (value: Bencode.Value | undefined, most: number): number | undefined =>
  isNatural(value) && value > 0 && value <= most ? value : undefined

const versionOf = (value: Bencode.Value | undefined): string | undefined =>
  value instanceof Uint8Array
    ? Buffer.from(value.subarray(0, VERSION_MAX_CHARS))
        .toString()
        .replace(/[^\x20-\x7e]/gu, "?")
    : undefined

/** `None` when the payload is too long or no bencoded dictionary; keys of a wrong type count as absent. */
export const decodeHandshake = (payload: Uint8Array): Option.Option<ExtensionHandshake> =>
  payload.length > HANDSHAKE_MAX_BYTES
    ? Option.none()
    : Option.map(decodeDictionary(payload), ({ m, metadata_size: size, p: port, reqq, v: version }) => ({
        ids: idsOf(m),
        metadataSize: within(size, Number.MAX_SAFE_INTEGER),
        requestQueue: within(reqq, Number.MAX_SAFE_INTEGER),
        port: within(port, 65_535),
        version: versionOf(version)
      }))

export const encodeRequest = (piece: number): Uint8Array => Bencode.encode({ msg_type: 0, piece })

export const encodeReject = (piece: number): Uint8Array => Bencode.encode({ msg_type: 2, piece })

/** A piece of `info`, or a reject where it has no such piece. */
export const encodeData = (info: Uint8Array, piece: number): Uint8Array => {
  const bytes = info.subarray(piece * METADATA_PIECE_BYTES, (piece + 1) * METADATA_PIECE_BYTES)
  if (bytes.length === 0) return encodeReject(piece)
  return Buffer.concat([Bencode.encode({ msg_type: 1, piece, total_size: info.length }), bytes])
}

/** Where the leading dictionary ends. Its last value is an integer, so it ends in the first `ee`. */
const headerEnd = (payload: Uint8Array): number => {
  const end = Buffer.from(payload.buffer, payload.byteOffset, Math.min(payload.length, METADATA_HEADER_MAX_BYTES))
    .toString("latin1")
    .indexOf("ee")
  return end === -1 ? 0 : end + 2
}

/** `None` for what is no metadata message, and for message types that BEP 9 does not name (to be ignored). */
export const decodeMetadata = (payload: Uint8Array): Option.Option<MetadataMessage> => {
  const end = headerEnd(payload)
  return Option.flatMap(decodeDictionary(payload.subarray(0, end)), ({ msg_type: type, piece }) => {
    if (!isNatural(piece)) return Option.none()
    if (type === 1) return Option.some<MetadataMessage>({ _tag: "Data", piece, bytes: payload.subarray(end) })
    if (type === 0) return Option.some<MetadataMessage>({ _tag: "Request", piece })
    return type === 2 ? Option.some<MetadataMessage>({ _tag: "Reject", piece }) : Option.none()
  })
}
