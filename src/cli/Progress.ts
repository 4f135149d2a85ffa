/**
 * What a person sees while waiting, on stderr: a spinner and, for downloads, a bar on a terminal;
 * one plain line for each finished piece of work elsewhere; nothing with `--json`.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"

export type Mode = "live" | "plain" | "silent"

/** Replaces what stands behind the label: a bar, a count. */
export type Update = (detail: string) => Effect.Effect<void>

export type Task = <A, E, R>(label: string, work: (update: Update) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
const FRAME_INTERVAL = "80 millis"
const BAR_CELLS = 24
const CLEAR_LINE = "\r\u001b[2K"
const GREEN = "\u001b[32m"
const RED = "\u001b[31m"
const DIM = "\u001b[2m"
const RESET = "\u001b[0m"

const write = (text: string) => Effect.sync(() => void process.stderr.write(text))

const elapsed = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`)

/** `[##########--------------]  42 %  1.2 of 2.9 MB`. */
export const bar = (received: number, total: number): string => {
  const share = total === 0 ? 1 : received / total
  const filled = Math.round(share * BAR_CELLS)
  const cells = "#".repeat(filled) + "-".repeat(BAR_CELLS - filled)
  return `[${cells}] ${String(Math.floor(share * 100)).padStart(3)} %  ${size(received)} of ${size(total)}`
}

/** Bytes for people: `49.2 kB`. */
export const size = (bytes: number): string => {
  const units = ["B", "kB", "MB", "GB"]
  let value = bytes
  let unit = 0
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

const live: Task = (label, work) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    let detail = ""
    let frame = 0
    const draw = Effect.suspend(() => {
      const columns = process.stderr.columns ?? 80
      const line = `${FRAMES[frame++ % FRAMES.length]} ${label}${detail === "" ? "" : `  ${detail}`}`
      return write(CLEAR_LINE + line.slice(0, columns - 1))
    })
    const spinner = yield* draw.pipe(Effect.repeat(Schedule.spaced(FRAME_INTERVAL)), Effect.forkChild)
    const update: Update = (text) => Effect.sync(() => void (detail = text))
    return yield* work(update).pipe(
      Effect.onExit((exit) =>
        Effect.gen(function* () {
          spinner.interruptUnsafe()
          const took = elapsed((yield* Clock.currentTimeMillis) - started)
          const [color, mark] = Exit.isSuccess(exit) ? [GREEN, "✓"] : [RED, "✗"]
          yield* write(`${CLEAR_LINE}${color}${mark}${RESET} ${label} ${DIM}(${took})${RESET}\n`)
        })
      )
    )
  })

const plain: Task = (label, work) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const result = yield* work(() => Effect.void)
    yield* Console.error(`${label}: done in ${elapsed((yield* Clock.currentTimeMillis) - started)}`)
    return result
  })

const silent: Task = (_label, work) => work(() => Effect.void)

export const make = (mode: Mode): Task => (mode === "live" ? live : mode === "plain" ? plain : silent)
