/** One write to each of the nodes that a look-up ended with, and what each of them said. As `PutRound` of the real client. */
import * as Effect from "effect/Effect"
import { type Answer, ErrorCode, type Question } from "./Krpc.ts"
import type { Asker, StoreNode } from "./LookUp.ts"

/** Nodes are named `host:port`. */
export interface Round {
  readonly stored: ReadonlySet<string>
  /** BEP 44 error 301: the node holds another seq than `cas`. */
  readonly casMismatch: ReadonlySet<string>
  /** BEP 44 error 302: the node holds a later seq, or another value under this one. */
  readonly seqTooLow: ReadonlySet<string>
  readonly silent: ReadonlySet<string>
  /** What the others said, in the order of arrival. */
  readonly problems: ReadonlyArray<string>
}

export const run = (
  { transactions }: Asker,
  nodes: ReadonlyArray<StoreNode>,
  questionFor: (node: StoreNode) => Question
): Effect.Effect<Round> =>
  Effect.callback((resume) => {
    const round = {
      stored: new Set<string>(),
      casMismatch: new Set<string>(),
      seqTooLow: new Set<string>(),
      silent: new Set<string>(),
      problems: new Array<string>()
    }
    const note = (name: string, answer: Answer | undefined) => {
      if (answer === undefined) round.silent.add(name)
      // A reply to a write says no more than that it came.
      else if (answer._tag !== "Refused") round.stored.add(name)
      else if (answer.code === ErrorCode.casMismatch) round.casMismatch.add(name)
      else if (answer.code === ErrorCode.seqTooLow) round.seqTooLow.add(name)
      else round.problems.push(answer.text)
    }
    let awaited = nodes.length
    if (awaited === 0) return resume(Effect.succeed(round))
    for (const node of nodes) {
      transactions.ask(node.address, questionFor(node), (answer) => {
        note(node.address, answer)
        if (--awaited === 0) resume(Effect.succeed(round))
      })
    }
  })
