/**
 * A node that can be replaced by another one, under another id, while others use its `Dht`. What was begun before
 * ends on the old node; what is begun meanwhile waits until the new one is there, since both want the same port.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { Dht } from "../../../protocol/dht/Dht.ts"
import type { DhtError } from "../../../protocol/dht/DhtError.ts"

/** How long a replacement waits for calls that are under way; look-ups and puts end within seconds. */
const DRAIN = "15 seconds"

/** How often a port that was just given up is tried again, and between two tries. */
const REOPEN_TIMES = 5
const REOPEN_PAUSE = "200 millis"

export interface Opening {
  /** 20 bytes. */
  readonly nodeId: Uint8Array
  /** UDP port; 0 takes a free one. */
  readonly port: number
  /** `host:port` to start from. */
  readonly bootstrap: ReadonlyArray<string>
}

export interface Opened {
  readonly dht: Dht["Service"]
  /** That was bound. */
  readonly port: number
  /** `host:port` of the nodes in its table. */
  readonly known: () => ReadonlyArray<string>
}

export interface CurrentNode<N extends Opened> {
  /** All of it on whatever node is there. */
  readonly dht: Dht["Service"]
  /** `undefined` between two nodes. */
  readonly get: () => N | undefined
  /** Whether nobody uses the node at the moment. */
  readonly isIdle: () => boolean
  /**
   * Closes the node and opens one under another id, or the same where none is given, on the same port if possible. `false`, and nothing has changed,
   * where calls are still under way after a while. Fails when no socket can be opened any more: until that succeeds
   * with a later call, all uses fail with that error.
   */
  readonly replace: (nodeId?: Uint8Array) => Effect.Effect<boolean, DhtError>
}

/** Opens the first node. `before` runs before each use of `dht`. */
export const make = Effect.fnUntraced(function* <N extends Opened, R>(options: {
  readonly first: Opening
  readonly open: (opening: Opening) => Effect.Effect<N, DhtError, R | Scope.Scope>
  readonly before: Effect.Effect<void>
  /** What users are told of an error of the node. */
  readonly explain: (error: DhtError) => DhtError
}) {
  const context = yield* Effect.context<R>()
  // One place in the scope around for all nodes to come: what is closed after the first is closed after each.
  const parent = yield* Scope.fork(yield* Effect.scope)
  const gate = yield* Latch.make(true)
  const idle = yield* Latch.make(true)
  const replacing = yield* Semaphore.make(1)
  let underWay = 0

  const openScoped = Effect.fnUntraced(function* (opening: Opening) {
    const scope = yield* Scope.fork(parent)
    return yield* options.open(opening).pipe(
      Scope.provide(scope),
      Effect.provideContext(context),
      Effect.map((node) => ({ node, scope })),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
    )
  })

  let current: Effect.Success<ReturnType<typeof openScoped>> | undefined = yield* openScoped(options.first)
  let last: Opening = { ...options.first, port: current.node.port }
  let failure: DhtError | undefined

  const swap = Effect.fnUntraced(function* (nodeId: Uint8Array = last.nodeId) {
    const known = current?.node.known() ?? []
    const opening = { nodeId, port: last.port, bootstrap: known.length > 0 ? known : last.bootstrap }
    if (current !== undefined) yield* Scope.close(current.scope, Exit.void)
    current = undefined
    const again = Schedule.spaced(REOPEN_PAUSE).pipe(Schedule.upTo({ times: REOPEN_TIMES }))
    const opened = openScoped(opening).pipe(
      Effect.retry(again),
      // Somebody took the port meanwhile: a node elsewhere is better than none.
      Effect.catch(() => openScoped({ ...opening, port: 0 })),
      Effect.tapError((error) => Effect.sync(() => (failure = error)))
    )
    current = yield* opened
    last = { ...opening, port: current.node.port }
  })

  const replace = (nodeId?: Uint8Array) =>
    Effect.gen(function* () {
      yield* gate.close
      const drained = yield* Effect.timeoutOption(idle.await, DRAIN)
      if (Option.isNone(drained)) return false
      yield* Effect.uninterruptible(swap(nodeId))
      return true
    }).pipe(Effect.ensuring(gate.open), replacing.withPermits(1))

  const enter = Effect.sync(() => {
    underWay++
    idle.closeUnsafe()
  })

  const leave = Effect.sync(() => {
    if (--underWay === 0) idle.openUnsafe()
  })

  const use = <A>(call: (dht: Dht["Service"]) => Effect.Effect<A, DhtError>): Effect.Effect<A, DhtError> => {
    const run = Effect.suspend((): Effect.Effect<A, DhtError> => {
      if (!Latch.isOpen(gate)) return Effect.andThen(gate.await, run)
      if (current === undefined) return failure === undefined ? Effect.interrupt : Effect.fail(failure)
      const { dht } = current.node
      return Effect.acquireUseRelease(
        enter,
        () => Effect.mapError(call(dht), options.explain),
        () => leave
      )
    })
    return Effect.andThen(options.before, run)
  }

  const dht = Dht.of({
    lookup: (...args) => use((node) => node.lookup(...args)),
    get: (...args) => use((node) => node.get(...args)),
    holders: (...args) => use((node) => node.holders(...args)),
    put: (...args) => use((node) => node.put(...args)),
    lookupImmutable: (...args) => use((node) => node.lookupImmutable(...args)),
    getImmutable: (...args) => use((node) => node.getImmutable(...args)),
    holdersImmutable: (...args) => use((node) => node.holdersImmutable(...args)),
    putImmutable: (...args) => use((node) => node.putImmutable(...args)),
    announcePeer: (...args) => use((node) => node.announcePeer(...args)),
    findPeers: (...args) => use((node) => node.findPeers(...args)),
    nodeCount: Effect.suspend(() => current?.node.dht.nodeCount ?? Effect.succeed(0))
  })

  return {
    dht,
    get: () => current?.node,
    isIdle: () => underWay === 0,
    replace
  } satisfies CurrentNode<N>
})
