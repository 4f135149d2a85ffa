/**
 * Answers to `get` (BEP 44), written down once. A stored value is bencoded already, and goes out as it was put:
 * anybody may forge a `get`, so it must cost little, and what was signed must not change on the way.
 *
 * Keys stand in the order of canonical bencode (BEP 3): `id`, `k`, `nodes`, `seq`, `sig`, `token`, `v`; then `t`, `y`.
 */
import { ASKER_BYTES, COMPACT_NODE_BYTES, UNFRAGMENTED_BYTES } from "../KrpcMessage.ts"

/** What is told of the item: all of it, its number alone, or nothing. */
export interface Found {
  /** Bencoded, at most 1,000 bytes. */
  readonly value?: Uint8Array | undefined
  readonly seq?: number | undefined
  /** 32 bytes. */
  readonly publicKey?: Uint8Array | undefined
  /** 64 bytes. */
  readonly signature?: Uint8Array | undefined
}

/** What is in each answer. */
export interface Always {
  /** 20 bytes: our own. */
  readonly id: Uint8Array
  readonly token: Uint8Array
}

/** ASCII, or bytes as they are. */
type Chunk = string | Uint8Array

/** `5:nodes` and a length of three digits. */
const NODES_KEY_BYTES = 11

const entry = (key: string, bytes: Uint8Array | undefined): ReadonlyArray<Chunk> =>
  bytes === undefined ? [] : [`${key.length}:${key}${bytes.length}:`, bytes]

const lengthOf = (chunks: ReadonlyArray<Chunk>): number => chunks.reduce((sum, { length }) => sum + length, 0)

/** `nodesOf` gives up to `count` compact nodes; it is asked once, for as many as fit one frame and at most `nodesMax`. */
export const encode = (
  { publicKey, seq, signature, value }: Found,
  { id, token }: Always,
  transactionId: Uint8Array,
  nodesMax: number,
  nodesOf: (count: number) => Uint8Array
): Uint8Array => {
  const before = ["d1:rd", ...entry("id", id), ...entry("k", publicKey)]
  const after = [
    ...(seq === undefined ? [] : [`3:seqi${seq}e`]),
    ...entry("sig", signature),
    ...entry("token", token),
    ...(value === undefined ? [] : ["1:v", value]),
    "e",
    ...entry("t", transactionId),
    "1:y1:re"
  ]
  const room = UNFRAGMENTED_BYTES - ASKER_BYTES - NODES_KEY_BYTES - lengthOf(before) - lengthOf(after)
  const count = Math.max(0, Math.min(nodesMax, Math.floor(room / COMPACT_NODE_BYTES)))
  return join([...before, ...entry("nodes", nodesOf(count)), ...after])
}

const join = (chunks: ReadonlyArray<Chunk>): Uint8Array => {
  const joined = Buffer.alloc(lengthOf(chunks))
  let at = 0
  for (const chunk of chunks) {
    if (typeof chunk === "string") joined.write(chunk, at, "latin1")
    else joined.set(chunk, at)
    at += chunk.length
  }
  return joined
}
