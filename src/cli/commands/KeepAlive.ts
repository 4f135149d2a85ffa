/** Keeps what is in the stores alive until the command is stopped; with `--watch` it says what it does. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Instant from "../../protocol/core/Instant.ts"
import * as RePut from "../../protocol/registry/RePut.ts"
import type { RePutEvent } from "../../protocol/registry/RePutEvent.ts"
import { Output } from "../Output.ts"

const nodes = (count: number): string => (count === 1 ? "1 node" : `${count} nodes`)

/** A line for people; `undefined` for what only programs want to know. */
export const line = (event: RePutEvent): string | undefined => {
  switch (event._tag) {
    case "Put":
      return `put again    ${event.keyString ?? event.target}  ${nodes(event.acks)}, next by ${Instant.exact(event.nextDue)}`
    case "Held":
      return event.holders === undefined
        ? undefined
        : `still there  ${event.keyString ?? event.target}  ${nodes(event.holders)}`
    case "Superseded":
      return `newer found  ${event.keyString ?? event.target}  no. ${event.seq}`
    case "Mended":
      return `claims back  ${event.keyString ?? event.target}`
    case "Failed":
      return `failed       ${event.keyString ?? event.target}  ${event.problem}`
    case "PagesDropped":
      return `dropped      ${event.count === 1 ? "1 page" : `${event.count} pages`} that nothing refers to`
    case "StoreFailed":
      return `failed       ${event.problem}`
    case "BatchSize":
    case "Holdings":
      return undefined
  }
}

export const run = Effect.fnUntraced(function* (watches: boolean) {
  const output = yield* Output
  const rePut = yield* RePut.make()
  if (watches) {
    yield* rePut.events.pipe(
      Stream.runForEach((event) => {
        const text = line(event)
        return text === undefined ? Effect.void : output.note(text)
      }),
      Effect.forkScoped({ startImmediately: true })
    )
  }
  return yield* Effect.raceFirst(rePut.run, output.stay)
}, Effect.scoped)
