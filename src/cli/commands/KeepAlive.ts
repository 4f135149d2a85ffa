/**
 * Keeps what is in the stores alive until the command is stopped, and goes on where the last command left it; with
 * `--watch` it says what it does. Where another process of the home does it, this one takes over when that ends.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Instant from "../../protocol/core/Instant.ts"
import * as RePut from "../../protocol/registry/RePut.ts"
import type { Begun, Held, RePutEvent } from "../../protocol/registry/RePutEvent.ts"
import * as KeepAliveTurn from "../../runtime/store/KeepAliveTurn.ts"
import { Output } from "../Output.ts"

const nodes = (count: number): string => (count === 1 ? "1 node" : `${count} nodes`)

const MINUTE_MS = Duration.toMillis(Duration.minutes(1))

/** `19h 20m`. */
const span = (ms: number): string => Duration.format(Duration.minutes(Math.max(1, Math.round(ms / MINUTE_MS))))

/** What was measured of this very item, and nothing before any of its holders was lost. */
const halfLife = ({ halfLifeMs }: { readonly halfLifeMs: number | undefined }): string =>
  halfLifeMs === undefined ? "" : `, half-life ${span(halfLifeMs)}`

const survivors = ({ at, survivors }: Held): string => {
  if (survivors === undefined) return ""
  const { kept, lastPut, of } = survivors
  return ` (${kept} of the ${of} that took it ${span(at - lastPut)} ago)`
}

const begun = ({ due, items, nextDue, resumed, savedAt }: Begun): string => {
  if (items === 0) return "keep-alive   nothing is held yet"
  const known =
    resumed === 0 || savedAt === undefined
      ? "none known from before"
      : `${resumed} known as of ${Instant.exact(savedAt)}`
  const next = nextDue === undefined ? "" : `, the next ${Instant.exact(nextDue)}`
  return `keep-alive   ${items === 1 ? "1 item" : `${items} items`}, ${known}; due now: ${due}${next}`
}

/** A line for people; `undefined` for what only programs want to know. */
export const line = (event: RePutEvent): string | undefined => {
  switch (event._tag) {
    case "Begun":
      return begun(event)
    case "Put":
      return `put again    ${event.keyString ?? event.target}  ${nodes(event.acks)}${halfLife(event)}, next by ${Instant.exact(event.nextDue)}`
    case "Held":
      return event.holders === undefined
        ? undefined
        : `still there  ${event.keyString ?? event.target}  ${nodes(event.holders)}${survivors(event)}${halfLife(event)}`
    case "Unheard":
      return `not heard    ${event.keyString ?? event.target}  too few nodes answered, asked again by ${Instant.exact(event.nextDue)}`
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

/** What the start line is while another process keeps alive. */
export const STANDING_BY = "keep-alive   another process of this home does it, and this one when that ends"

/** SQLite is loaded by whoever comes so far. */
const withState = <A, E, R>(loop: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    Effect.promise(() => import("../../runtime/store/SqliteRePutState.ts")),
    ({ layerHome }) => Effect.provide(loop, layerHome)
  )

/** From the first moment on: who stops the command while SQLite is loaded stops nothing half done. */
const untilStopped = <A, E, R>(loop: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Output, ({ stay }) => Effect.raceFirst(stay, loop))

/** Fails where what is known from before is of a newer version of this program. */
export const run = Effect.fnUntraced(
  function* (watches: boolean) {
    const output = yield* Output
    const rePut = yield* RePut.make()
    yield* rePut.events.pipe(
      Stream.filter(({ _tag }) => watches || _tag === "Begun"),
      Stream.runForEach((event) => {
        const text = line(event)
        return text === undefined ? Effect.void : output.note(text)
      }),
      Effect.forkScoped({ startImmediately: true })
    )
    yield* KeepAliveTurn.take(output.note(STANDING_BY))
    return yield* rePut.run
  },
  Effect.scoped,
  withState,
  untilStopped
)
