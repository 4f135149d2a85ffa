/**
 * DHT nodes met last time, in `<home>/nodes.json`: a way in when no public router answers. Only a
 * convenience, so a file that cannot be read or written is passed over.
 */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as PeerAddress from "../../protocol/core/PeerAddress.ts"
import * as AtomicFile from "../store/AtomicFile.ts"
import { Home } from "../store/Home.ts"

/** More do not help: a handful that still answer is enough. */
export const NODES_MAX = 64
/** 64 addresses of at most 21 characters, with quotes and commas. */
const FILE_MAX_BYTES = 4096

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Array(Schema.String)))

const valid = (nodes: ReadonlyArray<string>): ReadonlyArray<string> =>
  nodes.filter((node) => Option.isSome(PeerAddress.parse(node))).slice(0, NODES_MAX)

/** `host:port` each; empty when nothing is remembered. */
export const load: Effect.Effect<ReadonlyArray<string>, never, Home | FileSystem.FileSystem> = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const { nodes } = yield* Home
  const { size } = yield* fs.stat(nodes)
  if (size > BigInt(FILE_MAX_BYTES)) return []
  return valid(yield* decode(yield* fs.readFileString(nodes)))
}).pipe(Effect.orElseSucceed((): ReadonlyArray<string> => []))

/** Replaces what was remembered; no nodes leave it as it is. */
export const save: (
  nodes: ReadonlyArray<string>
) => Effect.Effect<void, never, Home | FileSystem.FileSystem | Path.Path | SecureRandom> = Effect.fnUntraced(
  function* (met: ReadonlyArray<string>) {
    const fs = yield* FileSystem.FileSystem
    const { directory, nodes } = yield* Home
    const kept = valid(met)
    if (kept.length === 0) return
    yield* fs.makeDirectory(directory, { recursive: true, mode: AtomicFile.PRIVATE_DIRECTORY_MODE })
    yield* AtomicFile.replace(nodes, new TextEncoder().encode(JSON.stringify(kept)))
  },
  (effect) => Effect.ignore(effect)
)
