/**
 * Who holds which record over time, counted: for the targets where most happens, how many nodes held each
 * at every look, the newest seq among them, and how many were behind it.
 */
import type { Sample } from "../HoldingsOverTime.ts"
import { visible } from "./Text.ts"

/** Targets that the map shows. */
export const TARGETS_MAX = 40

/** Stretches of time in which a node held a seq of a target, for the details under the pointer. */
export const SPANS_MAX = 30_000

/** Nodes that are named there, and characters of a name. */
const NAMES_MAX = 10_000
const NAME_MAX = 16

/** A target at one look. */
export interface Cell {
  readonly holders: number
  /** The greatest seq among the holders; `undefined` for immutable items, and where nobody holds it. */
  readonly newest: number | undefined
  /** Holders with a smaller seq. */
  readonly behind: number
}

export interface Row {
  /** Hexadecimal. */
  readonly target: string
  /** One for each look. */
  readonly cells: ReadonlyArray<Cell>
  /** Looks at which something was not as at the one before. */
  readonly changes: number
}

export interface HoldingsMap {
  readonly rows: ReadonlyArray<Row>
  /** Times of the looks, virtual ms. */
  readonly times: ReadonlyArray<number>
  /** Targets that are in no row. */
  readonly left: number
  readonly names: ReadonlyArray<string>
  /** For each row node, seq (−1 for none), first look and last look of each stretch, one after the other. */
  readonly spans: ReadonlyArray<ReadonlyArray<number>>
  /** That there were too many stretches to give them all. */
  readonly isCut: boolean
}

interface Activity {
  changes: number
  /** Sum over node and seq, which no order changes. */
  before: number
  now: number
  look: number
}

/** 2^31 − 1, so that sums of thousands stay exact. */
const PRIME = 2_147_483_647

/** Looks at which each target was held by others than before, or in other versions. */
const activityOf = (samples: ReadonlyArray<Sample>): ReadonlyMap<string, number> => {
  const nodes = new Map<string, number>()
  const targets = new Map<string, Activity>()
  samples.forEach(({ holdings }, look) => {
    for (const { node, seq, target } of holdings) {
      let number = nodes.get(node)
      if (number === undefined) nodes.set(node, (number = nodes.size + 1))
      let activity = targets.get(target)
      if (activity === undefined) targets.set(target, (activity = { changes: 0, before: 0, now: 0, look }))
      if (activity.look !== look) {
        if (activity.now !== activity.before) activity.changes++
        // Nobody held it at a look between.
        const isMissed = activity.look < look - 1
        if (isMissed) activity.changes++
        activity.before = isMissed ? 0 : activity.now
        activity.now = 0
        activity.look = look
      }
      activity.now += (number * 7_919 + (seq ?? -1) * 104_729) % PRIME
    }
  })
  const last = samples.length - 1
  return new Map(
    [...targets].map(([target, { before, changes, look, now }]) => [
      target,
      changes + (now === before ? 0 : 1) + (look < last ? 1 : 0)
    ])
  )
}

const cellOf = (held: ReadonlyArray<number | undefined>): Cell => {
  let newest: number | undefined
  for (const seq of held) if (seq !== undefined && (newest === undefined || seq > newest)) newest = seq
  return { holders: held.length, newest, behind: held.filter((seq) => seq !== newest).length }
}

interface Span {
  readonly seq: number
  readonly from: number
  to: number
}

/** Everything about the targets that are shown. Of a node that is named twice for one target, the last counts. */
export const holdingsMapOf = (samples: ReadonlyArray<Sample>): HoldingsMap => {
  const activity = activityOf(samples)
  const ranked = [...activity].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  const shown = ranked.slice(0, TARGETS_MAX)
  const places = new Map(shown.map(([target], place) => [target, place]))
  const cells = shown.map((): Array<Cell> => [])
  const numbers = new Map<string, number>()
  const spans = shown.map(() => new Map<number, Array<Span>>())
  let total = 0
  let isCut = false
  samples.forEach(({ holdings }, look) => {
    const held = shown.map(() => new Map<number, number | undefined>())
    for (const { node, seq, target } of holdings) {
      const place = places.get(target)
      if (place === undefined) continue
      let number = numbers.get(node)
      if (number === undefined) numbers.set(node, (number = numbers.size))
      held[place]?.set(number, seq)
    }
    held.forEach((nodes, place) => {
      cells[place]?.push(cellOf([...nodes.values()]))
      for (const [number, held] of nodes) {
        const seq = held ?? -1
        const own = spans[place]?.get(number) ?? []
        const last = own.at(-1)
        if (last !== undefined && last.seq === seq && last.to === look - 1) last.to = look
        else if (total < SPANS_MAX && number < NAMES_MAX) {
          total++
          own.push({ seq, from: look, to: look })
          spans[place]?.set(number, own)
        } else isCut = true
      }
    })
  })
  return {
    rows: shown.map(([target, changes], place) => ({ target, changes, cells: cells[place] ?? [] })),
    times: samples.map(({ atMs }) => atMs),
    left: ranked.length - shown.length,
    names: [...numbers.keys()].slice(0, NAMES_MAX).map((name) => visible(name, NAME_MAX)),
    spans: spans.map((nodes) =>
      [...nodes].flatMap(([number, own]) => own.flatMap(({ from, seq, to }) => [number, seq, from, to]))
    ),
    isCut
  }
}
