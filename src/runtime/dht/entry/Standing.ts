/**
 * What a node that stays up does about its place in the network, every few seconds: serve or not (BEP 43), take an
 * id that fits its outer address (BEP 42), let go of table entries that it can do without, and write down what it
 * would not want to find out again.
 */
import * as Clock from "effect/Clock"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { ID_BYTES } from "../../../protocol/dht/client/NodeId.ts"
import * as SecureId from "../../../protocol/dht/client/SecureId.ts"
import * as DhtNode from "../DhtNode.ts"
import type { CurrentNode } from "./CurrentNode.ts"
import type { External, ExternalAddress } from "./ExternalAddress.ts"
import { ANSWER_TIMEOUT_MS } from "./Introduction.ts"
import type { LiveStorage } from "./LiveStorage.ts"
import type { Reach } from "./Reach.ts"
import type { Identity } from "./RememberedNodes.ts"
import * as SteadyClock from "./SteadyClock.ts"

/** Between two looks, in ms. */
export const LOOK_INTERVAL_MS = 5 * 1000

/** Between two changes of the id, in ms: whoever stores or looks up here has to find the place anew each time. */
export const CHANGE_INTERVAL_MS = 60 * 60 * 1000

/** How long a change waits for a moment in which nobody uses the node, in ms, before users have to wait for it. */
export const QUIET_WAIT_MS = 10 * 60 * 1000

/** Between two queries to ourselves, in ms. */
export const HAIRPIN_INTERVAL_MS = 60 * 1000

/** Between two writes of what is remembered, in ms: a process that is killed loses no more than that. */
export const REMEMBER_INTERVAL_MS = 10 * 60 * 1000

export interface Options<R> {
  readonly current: CurrentNode<LiveStorage>
  readonly reach: Reach
  readonly votes: ExternalAddress
  /** When the id of now was taken, Unix ms; `undefined` when it is one of chance. */
  readonly changedAt: number | undefined
  /** Told of the id that others have come to know the node by. */
  readonly onIdentity: (identity: Identity) => void
  /** Writes down the nodes that are known, and the identity. */
  readonly remember: Effect.Effect<void, never, R>
}

/** What to do about the id: nothing, wait for a better moment, or change it now. */
export type Verdict = "fits" | "wait" | "change"

/** `waitedMs`: for how long it has not fitted. */
export const judge = (state: {
  readonly id: Uint8Array
  readonly external: External | undefined
  readonly sinceChangeMs: number
  readonly waitedMs: number
  readonly isIdle: boolean
}): Verdict => {
  const { external, id, isIdle, sinceChangeMs, waitedMs } = state
  if (external === undefined || SecureId.isValid(id, external.host)) return "fits"
  if (sinceChangeMs < CHANGE_INTERVAL_MS) return "wait"
  return isIdle || waitedMs >= QUIET_WAIT_MS ? "change" : "wait"
}

/** Goes on for as long as the node lives. */
export const keep = Effect.fnUntraced(function* <R>(options: Options<R>) {
  const { changedAt, current, onIdentity, reach, remember, votes } = options
  const random = yield* SecureRandom
  const clock = yield* Clock.Clock
  const wall = () => clock.currentTimeMillisUnsafe()
  const steady = SteadyClock.make(wall)
  // What is yet to come by this clock was written by another; then as long ago as can be.
  const ageMs = changedAt === undefined || changedAt > wall() ? Infinity : wall() - changedAt
  let takenAt = steady() - ageMs
  let unfitSince: number | undefined
  let hairpinAt = -Infinity
  let rememberedAt = steady()
  let identity: Identity | undefined

  const ping = (node: DhtNode.DhtNode, address: string): void => {
    const place = DhtNode.parseAddress(address)
    if (place === undefined) return
    const request = { method: "ping", args: { id: node.rpc.id } } as const
    node.socket.request(request, place.host, place.port, ANSWER_TIMEOUT_MS, () => {})
  }

  const change = Effect.fnUntraced(function* (host: string | undefined, now: number) {
    const bytes = yield* random.randomBytes(ID_BYTES)
    const changed = yield* current.replace(host === undefined ? bytes : SecureId.make(host, bytes))
    if (changed && host !== undefined) takenAt = now
    return changed
  })

  const look = Effect.gen(function* () {
    const now = steady()
    const opened = current.get()
    // The last replacement found no socket.
    if (opened === undefined) {
      yield* change(votes.get()?.host, now)
      return
    }
    const { node, policy, port } = opened
    const external = votes.get()
    const before = reach.role
    const role = reach.evaluate(external)
    if (role !== before) {
      yield* Effect.logDebug(
        role === "server" ? "The DHT node can be reached, and serves others now" : "The DHT node is no longer reached"
      )
    }
    const id = node.rpc.id
    // Nobody counts on a client, so its id is of no account.
    const isUnfit = role === "server" && external !== undefined && !SecureId.isValid(id, external.host)
    unfitSince = isUnfit ? (unfitSince ?? now) : undefined
    const state = {
      id,
      external,
      isIdle: current.isIdle(),
      sinceChangeMs: now - takenAt,
      waitedMs: now - (unfitSince ?? now)
    }
    if (isUnfit && judge(state) === "change") {
      const changed = yield* change(external.host, now)
      // Users had to wait for nothing: not again so soon.
      if (!changed) unfitSince = now
      return
    }
    node.socket.setReadOnly(role === "client")
    for (const { id: leaving } of policy.leaving()) node.client.removeNode(leaving)
    if (now - hairpinAt >= HAIRPIN_INTERVAL_MS) {
      hairpinAt = now
      const address = reach.hairpin(external)
      if (address !== undefined) ping(node, address)
    }
    const isOurs = role === "server" && external !== undefined && !isUnfit
    const own = isOurs ? { id: Hex.encode(id), host: external.host, port } : undefined
    const isNew = own !== undefined && (own.id !== identity?.id || own.host !== identity.host || port !== identity.port)
    if (isNew || now - rememberedAt >= REMEMBER_INTERVAL_MS) {
      rememberedAt = now
      if (own !== undefined) {
        identity = { ...own, since: Math.max(0, wall() - (Number.isFinite(takenAt) ? now - takenAt : 0)) }
        onIdentity(identity)
      }
      yield* remember
    }
  })

  for (;;) {
    yield* Effect.sleep(LOOK_INTERVAL_MS)
    // No socket to be had: the next look tries again.
    yield* look.pipe(Effect.catch((error) => Effect.logWarning(error.message)))
  }
})
