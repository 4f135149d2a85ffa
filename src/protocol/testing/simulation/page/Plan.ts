/**
 * What was planned for a run and what became of it: faults with the times between which they lasted, steps
 * with how they ended, goals with when they were reached. Read from the trace, as plans only say when things were
 * to begin, counted from when the stage was set.
 */
import type { Report } from "../Simulation.ts"

export interface PlanItem {
  readonly id: string
  readonly kind: "fault" | "step" | "goal"
  readonly title: string
  /** Virtual ms since the beginning of the run: when it began, or was to. */
  readonly atMs: number
  readonly beganMs: number | undefined
  readonly endedMs: number | undefined
  /** How a step ended: `done`, or what it met with. */
  readonly outcome: string | undefined
}

export const DONE = "done"

const outcomeOf = (text: string, title: string): string | undefined =>
  text.startsWith(`${title}: `) ? text.slice(title.length + 2) : undefined

interface Draft {
  beganMs?: number
  endedMs?: number
  outcome?: string
}

/** All of the plan by the time at which it began, or was to, and the goals that were reached. */
export const planOf = ({ planned, trace }: Report): ReadonlyArray<PlanItem> => {
  const titles = new Map(planned.map(({ id, title }) => [id, title]))
  const drafts = new Map<string, Draft>(planned.map(({ id }) => [id, {}]))
  const goals: Array<PlanItem> = []
  for (const { atMs, from, kind, text } of trace) {
    if (kind !== "did" && kind !== "fault" && kind !== "heal") continue
    if (kind === "did" && from === "goal") {
      const id = `g${goals.length}`
      goals.push({ id, kind: "goal", title: text, atMs, beganMs: atMs, endedMs: atMs, outcome: "reached" })
    }
    const draft = drafts.get(from)
    if (draft === undefined) continue
    const outcome = kind === "did" ? outcomeOf(text, titles.get(from) ?? "") : undefined
    if (kind === "heal" || outcome !== undefined) draft.endedMs = atMs
    else draft.beganMs ??= atMs
    if (outcome !== undefined) draft.outcome = outcome
  }
  let stageMs = 0
  for (const { atMs, id } of planned) stageMs = Math.max(stageMs, (drafts.get(id)?.beganMs ?? atMs) - atMs)
  const items = planned.map(({ atMs, id, title }): PlanItem => {
    const { beganMs, endedMs, outcome } = drafts.get(id) ?? {}
    return {
      id,
      kind: id.startsWith("f") ? "fault" : "step",
      title,
      atMs: beganMs ?? stageMs + atMs,
      beganMs,
      endedMs,
      outcome
    }
  })
  return [...items, ...goals].toSorted((a, b) => a.atMs - b.atMs)
}

/** A title takes about so much of the width for each character. */
const CHARACTER_SHARE = 1 / 140

/**
 * Puts things that last into as few rows as hold them and their titles without overlap, and never more than `rowsMax`.
 * A title for which there is no room after the beginning stands before it. Gives the row of each.
 */
export const rowsOf = (items: ReadonlyArray<PlanItem>, wholeMs: number, rowsMax: number): ReadonlyArray<number> => {
  const free: Array<number> = []
  return items.map(({ atMs, endedMs, id, title }) => {
    const roomMs = Math.min(1, (id.length + title.length + 3) * CHARACTER_SHARE) * wholeMs
    const fromMs = atMs + roomMs > wholeMs ? Math.max(0, atMs - roomMs) : atMs
    const found = free.findIndex((until) => until <= fromMs)
    const row = found >= 0 ? found : free.length < rowsMax ? free.length : free.indexOf(Math.min(...free))
    free[row] = Math.max(endedMs ?? wholeMs, fromMs + roomMs)
    return row
  })
}
