/**
 * One write to each of the nodes that a look-up ended with, and what each of them said. A node that refuses,
 * since it holds the very same record already, is told apart from one that is gone.
 */
import * as Effect from "effect/Effect"
import type { Refusal, RefusalReason } from "../Dht.ts"
import { type Answer, ErrorCode, type StoreNode, type Unsent, type Write } from "./Krpc.ts"
import * as Observed from "./Observed.ts"
import type { Shared } from "./Shared.ts"

/** A node that is late by so much, in times of lateness and ms at least, is not waited for once most others have answered. */
const PATIENCE = { times: 4, leastMs: 600 }

/** Nodes are named `host:port`. */
export interface Round {
  readonly asked: number
  readonly stored: ReadonlySet<string>
  readonly refused: ReadonlyArray<Refusal>
  readonly silent: ReadonlySet<string>
}

export const NOTHING: Round = { asked: 0, stored: new Set(), refused: [], silent: new Set() }

export const join = (self: Round, that: Round): Round => ({
  asked: self.asked + that.asked,
  stored: new Set([...self.stored, ...that.stored]),
  refused: [...self.refused, ...that.refused],
  silent: new Set([...self.silent, ...that.silent])
})

const REASONS: ReadonlyMap<number, RefusalReason> = new Map<number, RefusalReason>([
  [ErrorCode.casMismatch, "cas-mismatch"],
  [ErrorCode.seqTooLow, "seq-too-low"],
  [ErrorCode.valueTooBig, "value-too-big"],
  [ErrorCode.invalidSignature, "invalid-signature"],
  [ErrorCode.saltTooBig, "salt-too-big"],
  [ErrorCode.protocol, "protocol"]
])

/** Nodes that refused for what they hold themselves: the same record, a later one, or another one. */
export const holdsOther = ({ reason }: Refusal): boolean => reason === "cas-mismatch" || reason === "seq-too-low"

/** Nodes are gone, or honour their tokens no longer: the next write has to look again. */
export const isWornOut = ({ refused, silent }: Round): boolean =>
  silent.size > 0 || refused.some((refusal) => !holdsOther(refusal))

/** Why nobody took it. */
export const whyNone = ({ refused, silent }: Round): string =>
  refused[0]?.text ?? (silent.size > 0 ? "none of them answered" : "none of them takes items")

/** How many nodes may still be silent for the round to end without them: those that are always somewhere gone. */
const mayBeMissing = (asked: number): number => Math.floor(asked / 2)

/** A write that is made twice is the same, but for a `cas` that the first one has made untrue. */
const mayRepeat = (write: Write): boolean => write._tag !== "PutMutable" || write.cas === undefined

/** A node that has not answered, and how many questions to it are under way. */
interface Awaited {
  readonly node: StoreNode
  open: number
}

/** Those that are late are asked once more: a lost datagram is no refusal. */
export const run = (
  { roundTrips, silent: silentNodes, transport }: Shared,
  nodes: ReadonlyArray<StoreNode>,
  writeFor: (node: StoreNode) => Write
): Effect.Effect<Round> =>
  Effect.flatMap(Observed.ask(transport), (askNode) =>
    Effect.callback((resume) => {
      if (nodes.length === 0) return resume(Effect.succeed(NOTHING))
      const awaited = new Map<string, Awaited>(nodes.map((node) => [node.address, { node, open: 0 }]))
      const stored = new Set<string>()
      const refused: Array<Refusal> = []
      const silent = new Set<string>()
      let isOver = false
      let isImpatient = false
      const end = () => {
        if (isOver) return
        isOver = true
        for (const cancel of cancels) cancel()
        for (const address of awaited.keys()) silent.add(address)
        resume(Effect.succeed({ asked: nodes.length, stored, refused, silent }))
      }
      const endIfEnough = () => {
        if (awaited.size === 0 || (isImpatient && awaited.size <= mayBeMissing(nodes.length))) end()
      }
      const note = (self: Awaited, answer: Answer | Unsent | undefined) => {
        const { address } = self.node
        const isNothing = answer === undefined || answer._tag === "Unsent"
        if (--self.open > 0 && isNothing) return
        if (answer === undefined) {
          silentNodes.note(address)
          transport.noteSilence(self.node)
        }
        if (isOver || !awaited.delete(address)) return
        if (isNothing) silent.add(address)
        else if (answer._tag === "Found") stored.add(address)
        else {
          const { code, text } = answer
          refused.push({ node: address, reason: REASONS.get(code) ?? "other", code, text })
        }
        endIfEnough()
      }
      const ask = (self: Awaited) => {
        self.open++
        askNode(self.node.address, writeFor(self.node), (answer) => note(self, answer))
      }
      const { lateMs } = roundTrips
      const patienceMs = Math.min(transport.timeoutMs, Math.max(PATIENCE.leastMs, PATIENCE.times * lateMs))
      const cancels = [
        transport.after(lateMs, () => {
          for (const self of awaited.values()) if (mayRepeat(writeFor(self.node))) ask(self)
        }),
        transport.after(patienceMs, () => {
          isImpatient = true
          endIfEnough()
        })
      ]
      for (const self of awaited.values()) ask(self)
      return Effect.sync(() => {
        isOver = true
        for (const cancel of cancels) cancel()
      })
    })
  )
