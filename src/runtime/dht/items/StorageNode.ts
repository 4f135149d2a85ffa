/**
 * A DHT node that holds items for others by our rules: `DhtNode` with an `ItemServer` before the library,
 * whose own store never forgets by age and is emptied by anyone's flood. The one way in which testnets,
 * live nodes and simulations make a node.
 */
import { randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Ed25519 } from "../../../protocol/core/Ed25519.ts"
import * as DhtNode from "../DhtNode.ts"
import { NODE_ID_BYTES } from "../KrpcMessage.ts"
import type { ArchiveUnavailable, ItemArchive } from "./ItemArchive.ts"
import * as ItemServer from "./ItemServer.ts"
import * as ItemStore from "./ItemStore.ts"
import type { Verify } from "./StoredItem.ts"

/** What was put within this time is lost where the process is killed. Others hold it too, and it is put again. */
export const WRITE_EVERY = Duration.seconds(3)

/** Changes written at once: some 20 ms in which the node answers nobody. */
const BATCH = 500

export interface Options extends Omit<DhtNode.Options, "serve"> {
  /** Items held for others; {@link ItemStore.ITEMS_MAX} unless given. */
  readonly itemsMax?: number | undefined
  /** From 0 to 1: what the senders of one network may have of it; {@link ItemStore.NETWORK_SHARE} unless given. */
  readonly networkShare?: number | undefined
  /** Where the items outlive the process; nowhere unless given. */
  readonly archive?: ItemArchive | undefined
  /** Own targets, 40 hex digits each: what the archive has of them is taken back however old it is. */
  readonly pinned?: Iterable<string> | undefined
}

/** What holds and gives out the items of a node. */
export interface Holding {
  /** Own targets are pinned here. */
  readonly items: ItemStore.ItemStore
  readonly server: ItemServer.ItemServer
}

export interface StorageNode extends DhtNode.DhtNode, Holding {}

/** A node that is not yet bound, on a store that is there already: for simulations, where a store may outlive its node. */
export const open = (
  options: Omit<Options, "itemsMax" | "networkShare" | "archive" | "pinned">,
  items: ItemStore.ItemStore,
  verify: Verify,
  now: () => number
): DhtNode.Unbound & Holding => {
  const nodeId = idOf(options)
  const { server, serving } = serverFor(nodeId, items, options, verify, now)
  const node = serving(DhtNode.open({ ...options, nodeId, serve: server.serve }, verify, now))
  return { ...node, items, server }
}

const idOf = ({ machine, nodeId }: Pick<Options, "machine" | "nodeId">): Uint8Array =>
  nodeId ?? machine?.nodeId ?? new Uint8Array(randomBytes(NODE_ID_BYTES))

/** The server is there before the node whose routing table it gives out: `serving` brings them together. */
const serverFor = (
  nodeId: Uint8Array,
  items: ItemStore.ItemStore,
  { machine }: Pick<Options, "machine">,
  verify: Verify,
  now: () => number
) => {
  let library: DhtNode.Library | undefined
  const server = ItemServer.make({
    store: items,
    verify,
    now,
    randomBytes: machine?.randomBytes ?? randomBytes,
    ownId: () => nodeId,
    closest: (target, count) => library?.rpc.nodes.closest(target, count) ?? []
  })
  const serving = <N extends DhtNode.Library>(node: N): N => {
    library = node
    return node
  }
  return { server, serving }
}

/** Writes what has changed, until there is nothing more to write or the archive fails. */
const writeTo = (archive: ItemArchive, items: ItemStore.ItemStore): Effect.Effect<void, ArchiveUnavailable> =>
  Effect.gen(function* () {
    for (;;) {
      const changes = items.changes(BATCH)
      if (changes.kept.length + changes.gone.length === 0) return
      // Interrupted at the end of a scope, too.
      yield* Effect.onError(archive.write(changes), () => Effect.sync(() => items.retry()))
      yield* Effect.yieldNow
    }
  })

/** Says so when it begins and when it is over, not every few seconds in between. */
const keepWriting = (archive: ItemArchive, items: ItemStore.ItemStore): Effect.Effect<never> =>
  Effect.gen(function* () {
    let isFailing = false
    for (;;) {
      yield* Effect.sleep(WRITE_EVERY)
      const failure = yield* Effect.matchEffect(writeTo(archive, items), {
        onFailure: (error) => Effect.succeed(error.message),
        onSuccess: () => Effect.succeed(undefined)
      })
      if (failure !== undefined && !isFailing) yield* Effect.logWarning(failure)
      isFailing = failure !== undefined
    }
  })

/** Fills the store from the archive, and writes behind it until the scope closes. A node without its archive is a node. */
const connect = Effect.fnUntraced(function* (
  archive: ItemArchive,
  pinned: Iterable<string>,
  items: ItemStore.ItemStore
) {
  const now = yield* Clock.currentTimeMillis
  items.record()
  yield* archive
    .load(now - ItemStore.LIFETIME_MS, (archived) => void items.restore(archived), pinned)
    .pipe(
      Effect.tap((rows) =>
        rows === 0
          ? Effect.void
          : Effect.logWarning(`${rows} rows of the records held for others were damaged and are gone`)
      ),
      Effect.catch((error) => Effect.logWarning(error.message))
    )
  yield* Effect.addFinalizer(() =>
    writeTo(archive, items).pipe(Effect.catch((error) => Effect.logWarning(error.message)))
  )
  yield* Effect.forkScoped(keepWriting(archive, items))
})

/** Succeeds when the socket is bound and what the archive has is there. Fails as `DhtNode.make`. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { verify } = yield* Ed25519
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const nodeId = idOf(options)
  const { archive, itemsMax, networkShare, pinned = [], ...rest } = options
  const items = ItemStore.make({ now, verify, ownId: nodeId, itemsMax, networkShare })
  for (const target of pinned) items.pin(target)
  if (archive !== undefined) yield* connect(archive, pinned, items)
  const { server, serving } = serverFor(nodeId, items, options, verify, now)
  const node = serving(yield* DhtNode.make({ ...rest, nodeId, serve: server.serve }))
  return { ...node, items, server } satisfies StorageNode
})
