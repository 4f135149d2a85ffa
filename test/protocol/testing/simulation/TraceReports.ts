/** Reports as a simulation gives them, made up: hosts that ask storage nodes, faults, steps, and who holds what. */
import { Chance } from "../../../../src/protocol/testing/simulation/Chance.ts"
import type { Sample } from "../../../../src/protocol/testing/simulation/HoldingsOverTime.ts"
import type { Report } from "../../../../src/protocol/testing/simulation/Simulation.ts"
import type { Entry } from "../../../../src/protocol/testing/simulation/Trace.ts"

const HOSTS = ["alice", "bob", "carol", "dave", "mallory"]

const MINUTE = 60_000

export interface Shape {
  readonly seed?: number
  readonly nodes?: number
  /** Entries, roughly; exactly where `exact`. */
  readonly entries?: number
  readonly minutes?: number
  readonly isFailed?: boolean
}

interface Fault {
  readonly id: string
  readonly fromMs: number
  readonly toMs: number
  readonly title: string
}

const faultsOf = (lengthMs: number): ReadonlyArray<Fault> =>
  [
    [0.08, 0.3, "21 % of packets lost"],
    [0.12, 0.2, "the clock of bob is 412000 ms ahead"],
    [0.35, 0.62, "40 % of the nodes, carol are cut off from the others"],
    [0.45, 0.55, "30 % of the nodes turn rollback"],
    [0.5, 0.53, "mallory crashes and loses its disk"],
    [0.7, 0.86, "20 withholding nodes settle next to the name left-pad"]
  ].map(([from, to, title], index) => ({
    id: `f${index}`,
    fromMs: Math.round(Number(from) * lengthMs),
    toMs: Math.round(Number(to) * lengthMs),
    title: String(title)
  }))

const STEPS: ReadonlyArray<readonly [number, string, string, number]> = [
  [0.02, "alice publishes left-pad 1.0.0", "done", 4_200],
  [0.1, "bob installs left-pad", "done", 7_900],
  [0.22, "alice publishes left-pad 1.1.0", "done", 21_000],
  [0.38, "carol installs left-pad", "left-pad was found at no node: 0 of 8 answered within 30 s", 30_000],
  [0.48, "dave publishes left-pad 9.9.9", "done", 11_000],
  [0.66, "carol updates left-pad", "done", 6_000],
  [0.8, "bob updates left-pad", "done", 15_000]
]

const targetOf = (chance: Chance): string =>
  Array.from({ length: 40 }, () => "0123456789abcdef"[chance.below(16)] ?? "0").join("")

const holdingsOf = (chance: Chance, nodes: number, lengthMs: number): ReadonlyArray<Sample> => {
  const records = Array.from({ length: 46 }, (_, index) => ({
    target: targetOf(chance),
    bornMs: chance.below(Math.round(lengthMs * 0.6)),
    isMutable: index % 5 !== 4,
    copies: chance.between(3, 20),
    first: chance.below(nodes),
    everyMs: chance.between(lengthMs / 6, lengthMs)
  }))
  return Array.from({ length: 110 }, (_, look) => {
    const atMs = Math.round((look * lengthMs) / 110)
    const holdings = records.flatMap(({ bornMs, copies, everyMs, first, isMutable, target }, at) => {
      if (atMs < bornMs) return []
      const share = (atMs - bornMs) / lengthMs
      const seq = 1 + Math.floor((atMs - bornMs) / everyMs)
      const left = at % 9 === 3 && share > 0.2 && share < 0.35 ? 0 : Math.ceil(copies * (1 - share * (at % 4) * 0.4))
      return Array.from({ length: Math.max(0, left) }, (_, copy) => ({
        node: `n${(first + copy * 3) % nodes}`,
        target,
        seq: isMutable
          ? seq - (copy % 6 === 5 && (atMs - bornMs) % everyMs < everyMs / 3 && seq > 1 ? 1 : 0)
          : undefined
      }))
    })
    return { atMs, holdings }
  })
}

/** A run of about as many entries as asked for. */
export const report = ({
  entries = 8_000,
  isFailed = false,
  minutes = 40,
  nodes = 50,
  seed = 7
}: Shape = {}): Report => {
  const chance = Chance.of(`report ${seed}`)
  const lengthMs = minutes * MINUTE
  const faults = faultsOf(lengthMs)
  const trace: Array<Entry> = []
  for (const { fromMs, id, title, toMs } of faults) {
    trace.push(
      { atMs: fromMs, kind: "fault", from: id, text: title },
      { atMs: toMs, kind: "heal", from: id, text: title }
    )
  }
  trace.push(
    { atMs: Math.round(0.5 * lengthMs), kind: "fault", from: "mallory", text: "crashed, its disk is gone" },
    { atMs: Math.round(0.53 * lengthMs), kind: "heal", from: "mallory", text: "started" }
  )
  const steps = STEPS.map(([share, title, outcome, tookMs], index) => {
    const atMs = Math.round(share * lengthMs)
    const id = `s${index}`
    trace.push(
      { atMs, kind: "did", from: id, text: title },
      { atMs: atMs + tookMs, kind: "did", from: id, text: `${title}: ${outcome}` }
    )
    return { id, atMs, title, tookMs }
  })
  const endMs = isFailed ? Math.round(lengthMs * 0.83) : lengthMs
  while (trace.length < entries) {
    const step = chance.pick(steps)
    const atMs = Math.min(endMs - 1, chance.is(0.8) ? step.atMs + chance.below(step.tookMs) : chance.below(endMs))
    const host = chance.is(0.7) ? (HOSTS.find((name) => step.title.startsWith(name)) ?? "alice") : chance.pick(HOSTS)
    const isBesieged = atMs > lengthMs * 0.7 && atMs < lengthMs * 0.86 && chance.is(0.3)
    const node = isBesieged ? `h${chance.below(20)}` : `n${chance.below(nodes)}`
    const target = `${chance.below(1_000_000).toString(16)}…`
    const delayMs = chance.between(18, 240)
    const share = chance.fraction()
    if (share < 0.02)
      trace.push({ atMs, kind: "disk", from: host, text: `writes pins/${chance.below(40)}.json, 312 bytes` })
    else if (share < 0.14) {
      const to = chance.is(0.1) ? "10.0.0.17:6881" : node
      trace.push({
        atMs,
        kind: "lost",
        from: host,
        to,
        text: `get ${target}: ${to === node ? "lost on the way" : "nobody there"}`
      })
    } else if (share < 0.17)
      trace.push({ atMs, kind: "twice", from: host, to: node, text: `put ${target} seq 3`, delayMs })
    else if (share < 0.19)
      trace.push({ atMs, kind: "sent", from: host, to: chance.pick(HOSTS), text: "have pieces 0-14", delayMs })
    else {
      trace.push(
        { atMs, kind: "sent", from: host, to: node, text: `get ${target}`, delayMs },
        {
          atMs: Math.min(endMs - 1, atMs + delayMs),
          kind: "sent",
          from: node,
          to: host,
          text: `value seq 3, 204 bytes, 8 nodes`,
          delayMs: delayMs + 9
        }
      )
    }
  }
  if (!isFailed) {
    trace.push(
      { atMs: endMs - 5_000, kind: "heal", from: "world", text: "every fault has healed, every step has ended" },
      { atMs: endMs - 4_000, kind: "did", from: "goal", text: "every client knows left-pad 1.1.0" }
    )
  }
  const finding = isFailed
    ? ({
        kind: "law",
        text: "no accepted seq goes back: bob had seq 4 of 8f14e45fceea167a5a36dedd4bea2543, and now has seq 3",
        atMs: endMs
      } as const)
    : undefined
  const kept = trace.filter(({ atMs }) => atMs < endMs).toSorted((a, b) => a.atMs - b.atMs)
  if (finding !== undefined) kept.push({ atMs: endMs, kind: "broke", from: "law", text: finding.text })
  return {
    seed,
    scenario: "crowded-name",
    nodes,
    finding,
    hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    lines: kept.length,
    trace: kept,
    virtualMs: endMs,
    events: kept.length * 3,
    planned: [
      ...faults.map(({ fromMs, id, title }) => ({ id, atMs: fromMs, title })),
      ...steps.map(({ atMs, id, title }) => ({ id, atMs, title }))
    ],
    figures: { "writes to the network": 4_211, "availability %": 99.9731 },
    holdings: holdingsOf(chance, nodes, lengthMs).filter(({ atMs }) => atMs <= endMs)
  }
}

export const empty: Report = {
  seed: 0,
  scenario: "quiet",
  nodes: 1,
  finding: undefined,
  hash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  lines: 0,
  trace: [],
  virtualMs: 0,
  events: 0,
  planned: [],
  figures: {},
  holdings: []
}
