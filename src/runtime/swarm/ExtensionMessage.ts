/**
 * Messages of the extension protocol (BEP 10) and of the metadata exchange (BEP 9): the handshake
 * that names extensions, and request, data and reject for 16 KiB pieces of the info dictionary.
 *
 * torrent-stream's own exchange leaves out `total_size`, without which other clients cannot take
 * our metadata, and allocates by a stranger's length prefix; its half is never used.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Bencode from "../../protocol/core/Bencode.ts"

/** Extension id 0 is the handshake (BEP 10). */
export const HANDSHAKE_ID = 0
/** The id under which peers send us metadata messages. */
export const UT_METADATA_ID = 1
/** BEP 9: metadata goes in pieces of 16 KiB. */
export const METADATA_PIECE_BYTES = 16 * 1024
/** The dictionary before the bytes of a metadata message: three short keys with integers. */
const METADATA_HEADER_MAX_BYTES = 256

export interface ExtensionHandshake {
  /** The id under which the peer takes metadata messages; `undefined` when it takes none. */
  readonly utMetadata: number | undefined
  /** Bytes of the info dictionary as the peer says; `undefined` when it says nothing usable. */
  readonly metadataSize: number | undefined
}

export type MetadataMessage =
  | { readonly _tag: "Request" | "Reject"; readonly piece: number }
  | { readonly _tag: "Data"; readonly piece: number; readonly bytes: Uint8Array }

const isNatural = (value: unknown): value is number => typeof value === "number" && value >= 0

const isDictionary = (value: Bencode.Value | undefined): value is Bencode.Dictionary =>
  typeof value === "object" && !(value instanceof Uint8Array) && !Array.isArray(value)

const decodeDictionary = (bytes: Uint8Array): Option.Option<Bencode.Dictionary> =>
  Option.filter(Result.getSuccess(Bencode.decode(bytes, { canonicalKeys: false, maxDepth: 8 })), isDictionary)

/** `metadataSize` where the info dictionary is at hand. `reqq` is how many requests we queue. */
export const encodeHandshake = (options: {
  readonly metadataSize: number | undefined
  readonly reqq: number
}): Uint8Array =>
  Bencode.encode({
    m: { ut_metadata: UT_METADATA_ID },
    ...(options.metadataSize === undefined ? {} : { metadata_size: options.metadataSize }),
    reqq: options.reqq
  })

/** `None` when the payload is not a bencoded dictionary; keys of a wrong type count as absent. */
export const decodeHandshake = (payload: Uint8Array): Option.Option<ExtensionHandshake> =>
  Option.map(decodeDictionary(payload), (dictionary) => {
    const { m, metadata_size: size } = dictionary
    const id = isDictionary(m) ? m["ut_metadata"] : undefined
    return {
      // Id 0 switches an extension off (BEP 10).
      utMetadata: isNatural(id) && id > 0 && id <= 255 ? id : undefined,
      metadataSize: isNatural(size) && size > 0 ? size : undefined
    }
  })

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
