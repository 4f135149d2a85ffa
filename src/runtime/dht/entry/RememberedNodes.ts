/**
 * What a node remembers of the DHT from one time to the next, in `<home>/nodes.json`: other nodes, a way in when
 * no public router answers, and its own id with the address that it is bound to (BEP 42). Only a convenience, so a
 * file that cannot be read or written is passed over.
 */
import * as Clock from "effect/Clock"
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as PeerAddress from "../../../protocol/core/PeerAddress.ts"
import * as AtomicFile from "../../store/AtomicFile.ts"
import { Home } from "../../store/Home.ts"
import * as MetNodes from "./MetNodes.ts"
import * as PrivateDirectory from "../../store/PrivateDirectory.ts"

/** {@link MetNodes.NODES_MAX} nodes of at most 140 characters, and twice as much room for later fields. */
const FILE_MAX_BYTES = 65_536

const TimeMs = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const NodeIdHex = Schema.String.check(Schema.isPattern(/^[0-9a-f]{40}$/))
const isHost = Schema.makeFilter((host: string) => PeerAddress.isIpv4(host) || "a dotted IPv4 address")
const isAddress = Schema.makeFilter((text: string) => PeerAddress.parse(text)._tag === "Some" || "host:port")

const Node = Schema.Struct({ address: Schema.String.check(isAddress), id: NodeIdHex, first: TimeMs, last: TimeMs })

/** The id of this node, where it was seen under it, and since when (Unix ms). */
const Identity = Schema.Struct({
  id: NodeIdHex,
  host: Schema.String.check(isHost),
  port: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })),
  since: TimeMs
})
export type Identity = typeof Identity.Type

const Document = Schema.Struct({ nodes: Schema.Array(Schema.Unknown), identity: Schema.optionalKey(Schema.Unknown) })
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Document))
const decodeNode = Schema.decodeUnknownOption(Node)
const decodeIdentity = Schema.decodeUnknownOption(Identity)

export interface Memory {
  readonly nodes: ReadonlyArray<MetNodes.MetNode>
  readonly identity: Identity | undefined
}

export const EMPTY: Memory = { nodes: [], identity: undefined }

/** Empty when nothing is remembered. Nodes that a node bound to `boundHost` has no business with are left out. */
export const load = (boundHost: string): Effect.Effect<Memory, never, Home | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { nodes: file } = yield* Home
    const { size } = yield* fs.stat(file)
    if (size > BigInt(FILE_MAX_BYTES)) return EMPTY
    const { identity, nodes } = yield* decode(yield* fs.readFileString(file))
    const now = yield* Clock.currentTimeMillis
    const own = decodeIdentity(identity)
    return {
      nodes: nodes.slice(0, MetNodes.NODES_MAX).flatMap((node) => {
        const known = decodeNode(node)
        if (known._tag === "None" || !MetNodes.isOfNetwork(known.value.address, boundHost)) return []
        const { address, first, id, last } = known.value
        // A clock that was wrong, or is, must not keep a node for ever; nor, below, an id that no longer fits.
        return [{ address, id, first: Math.min(first, now), last: Math.min(last, now) }]
      }),
      identity: own._tag === "Some" ? { ...own.value, since: own.value.since > now ? 0 : own.value.since } : undefined
    }
  }).pipe(Effect.orElseSucceed(() => EMPTY))

export interface Met {
  /** The nodes that are known now. */
  readonly nodes: ReadonlyArray<Pick<MetNodes.MetNode, "address" | "id">>
  /** What is to be remembered as our own; what is there already stays unless given. */
  readonly identity?: Identity | undefined
  /** Since when these nodes have been met, Unix ms. */
  readonly since: number
}

/** Adds to what is remembered. Where nothing was met it stays as it is. */
export const save: (
  boundHost: string,
  met: Met
) => Effect.Effect<void, never, Home | FileSystem.FileSystem | Path.Path | SecureRandom> = Effect.fnUntraced(
  function* (boundHost: string, { identity, nodes, since }: Met) {
    if (nodes.length === 0 && identity === undefined) return
    const fs = yield* FileSystem.FileSystem
    const { directory, nodes: file } = yield* Home
    // Another command of this home may have ended meanwhile, so it is read anew.
    const before = yield* load(boundHost)
    const now = yield* Clock.currentTimeMillis
    const random = yield* Random.Random
    const met = nodes.filter(({ address }) => MetNodes.isOfNetwork(address, boundHost))
    const merged = MetNodes.merge(before.nodes, met, now)
    const own = identity ?? before.identity
    const kept = MetNodes.select(merged, now, since, () => random.nextDoubleUnsafe())
    const document = { nodes: kept, ...(own === undefined ? {} : { identity: own }) }
    yield* PrivateDirectory.make(fs, directory)
    yield* AtomicFile.replace(file, new TextEncoder().encode(JSON.stringify(document)))
  },
  (effect) => Effect.ignore(effect)
)
