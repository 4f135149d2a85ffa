/**
 * The questions of a client as somebody outside sees them: counted in `DhtMetrics`, and each a span of kind
 * "client" under the look-up or put that asked it, where there is a tracer.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import * as DhtMetrics from "../DhtMetrics.ts"
import type { Answer, Question, Unsent } from "./Krpc.ts"
import type { Transport } from "./Transport.ts"

const outcomeOf = (answer: Answer | Unsent | undefined): DhtMetrics.QueryOutcome =>
  answer === undefined ? "timeout" : answer._tag === "Found" ? "reply" : answer._tag === "Unsent" ? "unsent" : "error"

/** Gives a span to end with what became of the query; `undefined` where nobody traces. */
const tracing = (context: Context.Context<never>) => {
  const tracer = Context.get(context, Tracer.Tracer)
  if (tracer === Tracer.nativeTracer || !Context.get(context, References.TracerEnabled)) return undefined
  const clock = Context.get(context, Clock.Clock)
  const parent = Context.getOption(context, Tracer.ParentSpan)
  return (address: string, question: Question) => {
    const span = tracer.span({
      name: `krpc.${DhtMetrics.methodOf(question)}`,
      parent,
      annotations: Context.empty(),
      links: [],
      startTime: clock.currentTimeNanosUnsafe(),
      kind: "client",
      root: false,
      sampled: true
    })
    span.attribute("dht.node", address)
    span.attribute("dht.target", question.target.hex)
    return (answer: Answer | Unsent | undefined) => {
      span.attribute("dht.outcome", outcomeOf(answer))
      if (answer?._tag === "Refused") span.attribute("dht.error", answer.code)
      span.end(clock.currentTimeNanosUnsafe(), Exit.void)
    }
  }
}

/** `transport.ask`, observed. */
export const ask = (transport: Transport): Effect.Effect<Transport["ask"]> =>
  Effect.map(Effect.context<never>(), (context): Transport["ask"] => {
    const begin = tracing(context)
    return (address, question, onAnswer, onSent) => {
      const method = DhtMetrics.methodOf(question)
      let sentAt: number | undefined
      let end: ReturnType<NonNullable<typeof begin>> | undefined
      return transport.ask(
        address,
        question,
        (answer, from) => {
          DhtMetrics.outcomes[method][outcomeOf(answer)].updateUnsafe(1, context)
          if (answer !== undefined && sentAt !== undefined) {
            DhtMetrics.roundTrip.updateUnsafe((transport.now() - sentAt) / 1_000, context)
          }
          end?.(answer)
          onAnswer(answer, from)
        },
        () => {
          sentAt = transport.now()
          end = begin?.(address, question)
          DhtMetrics.queries[method].updateUnsafe(1, context)
          onSent?.()
        }
      )
    }
  })
