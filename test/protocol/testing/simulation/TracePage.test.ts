import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import * as Scenario from "../../../../src/protocol/testing/simulation/Scenario.ts"
import * as Simulation from "../../../../src/protocol/testing/simulation/Simulation.ts"
import type { Entry } from "../../../../src/protocol/testing/simulation/Trace.ts"
import * as TracePage from "../../../../src/protocol/testing/simulation/TracePage.ts"
import { holdingsMapOf, SPANS_MAX, TARGETS_MAX } from "../../../../src/protocol/testing/simulation/page/Holdings.ts"
import { LINES_MAX, select } from "../../../../src/protocol/testing/simulation/page/Lines.ts"
import { shadeOf } from "../../../../src/protocol/testing/simulation/page/Map.ts"
import { planOf, rowsOf } from "../../../../src/protocol/testing/simulation/page/Plan.ts"
import { MARKS_MAX } from "../../../../src/protocol/testing/simulation/page/Scene.ts"
import { duration, figure, html, visible } from "../../../../src/protocol/testing/simulation/page/Text.ts"
import { empty, report } from "./TraceReports.ts"

const bytes = (text: string): number => new TextEncoder().encode(text).length

const count = (text: string, what: string): number => text.split(what).length - 1

const between = (text: string, start: string, end: string): string => {
  const from = text.indexOf(start)
  assert.isAtLeast(from, 0, `there is no ${start}`)
  return text.slice(from + start.length, text.indexOf(end, from + start.length))
}

const dataOf = (page: string, id: string): Record<string, unknown> =>
  JSON.parse(between(page, `<script type="application/json" id="${id}">`, "</script>"))

const message = (atMs: number, from: string, to: string, text = "get"): Entry => ({
  atMs,
  kind: "sent",
  from,
  to,
  text,
  delayMs: 20
})

const HOSTILE = `</script><script>alert("1")</script><img src=x onerror='alert(2)'>&lt;\u202e\u2066\u0000\u0007\u001b[31m\u200b\ud800\u2028-->]]>`

const hostile: Simulation.Report = {
  ...report({ entries: 200 }),
  scenario: HOSTILE,
  hash: HOSTILE,
  finding: { kind: "law", text: HOSTILE, atMs: 900_000 },
  trace: [
    { atMs: 1, kind: "fault", from: "f0", text: HOSTILE },
    message(2, HOSTILE, "n1", HOSTILE),
    { atMs: 3, kind: "disk", from: `${HOSTILE} 2`, text: HOSTILE },
    { atMs: 4, kind: "lost", from: "n1", to: HOSTILE, text: HOSTILE },
    { atMs: 5, kind: "did", from: "goal", text: HOSTILE }
  ],
  lines: 5,
  planned: [
    { id: "f0", atMs: 0, title: HOSTILE },
    { id: HOSTILE, atMs: 0, title: HOSTILE }
  ],
  figures: { [HOSTILE]: Number.NaN },
  holdings: [{ atMs: 1, holdings: [{ node: HOSTILE, target: HOSTILE, seq: 1 }] }]
}

describe("TracePage", () => {
  describe("what a page is", () => {
    const page = TracePage.render(report())

    it("is one file that refers to nothing outside", () => {
      assert.notMatch(page, /\b(src|href|srcset|action)\s*=/)
      assert.notMatch(page, /https?:|url\(|@import|<link|<base|<iframe|<object|<img/)
      assert.isTrue(page.startsWith("<!doctype html>"))
    })

    it("lets only its own script and style run, by their hashes", () => {
      const policy = between(page, 'http-equiv="Content-Security-Policy" content="', '"')
      const hashOf = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`
      assert.include(policy, "default-src 'none'")
      assert.include(policy, `style-src ${hashOf(between(page, "<style>", "</style>"))}`)
      assert.include(policy, `script-src ${hashOf(between(page, "<script>", "</script>"))}`)
      assert.notInclude(policy, "unsafe")
      assert.notMatch(page.replace(between(page, "<script>", "</script>"), ""), /\son\w+=|\sstyle=/)
    })

    it("has a script that can be read as such", () => {
      assert.doesNotThrow(() => new Function(between(page, "<script>", "</script>")))
    })

    it("is the same for the same report", () => {
      assert.strictEqual(TracePage.render(report({ seed: 3 })), TracePage.render(report({ seed: 3 })))
      assert.notStrictEqual(TracePage.render(report({ seed: 3 })), TracePage.render(report({ seed: 4 })))
    })

    it("says what was run, how it ended and what plays it again", () => {
      const failed = TracePage.render(report({ isFailed: true }))
      assert.include(page, "<strong>Passed</strong>")
      assert.include(page, "40 min")
      assert.include(
        page,
        '<pre class="command" tabindex="0">ls-cli sim --seeds 1 --start 7 --scenario crowded-name --nodes 50 --trace</pre>'
      )
      assert.include(failed, "<strong>Failed at 00:33:12.000: a law was broken</strong>")
      assert.include(failed, "bob had seq 4 of 8f14e45fceea167a5a36dedd4bea2543")
      assert.include(TracePage.render(report(), "ls-cli sim --without f1"), ">ls-cli sim --without f1</pre>")
    })

    it("quotes a scenario's name that a shell would read otherwise", () => {
      assert.include(
        TracePage.render({ ...empty, scenario: "it's; rm" }),
        "--scenario &#39;it&#39;\\&#39;&#39;s; rm&#39;"
      )
    })

    it("is a page for a run in which nothing happened", () => {
      const page = TracePage.render(empty)
      assert.include(page, "The trace is empty.")
      assert.include(page, "Nothing was planned")
      assert.include(page, "Nobody looked at who holds what")
      assert.notMatch(page.replace(between(page, "<script>", "</script>"), ""), /NaN|undefined|Infinity/)
    })

    it("shows a run of the simulation itself", async () => {
      const scenario = Scenario.make({
        name: "two-naps",
        about: "Somebody sleeps twice",
        faults: () => [Fault.loss({ atMs: 500, forMs: 2_000 }, 0.3)],
        play: () =>
          Effect.succeed({
            steps: [
              { atMs: 1_000, title: "a nap", run: Effect.sleep(2_500) },
              { atMs: 2_000, title: "a nightmare", run: Effect.fail("no sleep") }
            ],
            goals: [{ title: "all are awake", reach: Effect.void }]
          })
      })
      const ran = await Effect.runPromise(Simulation.run({ seed: 1, scenario, nodes: 5, keep: "all" }))
      const page = TracePage.render(ran)
      assert.include(page, "healed after 2 s")
      assert.include(page, "done in 2.5 s")
      assert.include(page, '<span class="trouble">gave up after 0 ms:</span> no sleep')
      assert.include(page, "all are awake")
      assert.include(page, ran.hash)
    })
  })

  describe("hostile text", () => {
    const page = TracePage.render(hostile)

    it("never becomes markup", () => {
      assert.strictEqual(count(page, "<script"), 3)
      assert.strictEqual(count(page, "</script"), 3)
      assert.notInclude(page, "<img")
      assert.include(page, "&lt;/script&gt;&lt;script&gt;alert(&quot;1&quot;)")
      assert.include(page, "&amp;lt;")
    })

    it("hides no character and turns no line around", () => {
      assert.notMatch(page, /[\p{Cs}\u202a-\u202e\u2066-\u2069\u200b\u2028]/u)
      const isControl = (character: string) => character !== "\n" && (character.codePointAt(0) ?? 0) < 32
      assert.isFalse([...page].some(isControl))
      assert.include(page, "⟨U+202E⟩")
    })

    it("arrives in the script's data as it is shown", () => {
      const { hosts } = dataOf(page, "scene")
      assert.isTrue(Array.isArray(hosts) && hosts[0].startsWith("</script><script>alert"))
      assert.isString(dataOf(page, "holdings-data")["rows"]?.toString())
    })

    it("is escaped in every place of HTML where text may stand", () => {
      assert.strictEqual(html(`<a href="x" title='y'>&`), "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;")
      assert.strictEqual(visible("a\u0000b\u061cc\ud83d\ude00d\ud83d"), "a⟨U+0000⟩b⟨U+061C⟩c\ud83d\ude00d⟨U+D83D⟩")
      assert.strictEqual(visible("x".repeat(10), 4), "xxxx…")
      assert.strictEqual(visible("xxx\ud83d\ude00y", 4), "xxx…")
    })
  })

  describe("size", () => {
    it("bounds the page of 500,000 entries and 1,000 nodes", () => {
      const long = report({ entries: 500_000, nodes: 1_000, minutes: 3 * 24 * 60 })
      const page = TracePage.render(long)
      assert.isAtMost(bytes(page), TracePage.PAGE_BYTES_MAX)
      assert.include(page, `This page holds 20,000 of 500,003 lines`)
      assert.match(page, /[\d,]+ lines left out here/)
    })

    it("bounds the page of a report of which every part is as large as can be", () => {
      const wide = "語".repeat(2_000)
      const names = Array.from({ length: 4_000 }, (_, index) => `${wide}${index}`)
      const targets = Array.from({ length: 60 }, (_, index) => `${index}${wide}`)
      const page = TracePage.render({
        ...hostile,
        scenario: wide,
        finding: { kind: "law", text: wide.repeat(10), atMs: 1e12 },
        trace: Array.from({ length: 160_000 }, (_, index) => ({
          ...message(index * 9e9, names[index % 3_000] ?? "", `n${index * 40}`, wide),
          delayMs: 9e14
        })),
        lines: 160_000,
        planned: Array.from({ length: 3_000 }, (_, index) => ({ id: `f${index}`, atMs: index, title: wide })),
        figures: Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`${index}${wide}`, index / 7])),
        holdings: Array.from({ length: 120 }, (_, look) => ({
          atMs: look * 1e12,
          holdings: names.map((node, at) => ({ node, target: targets[at % 60] ?? "", seq: look }))
        }))
      })
      assert.isAtMost(bytes(page), TracePage.PAGE_BYTES_MAX)
    })
  })

  describe("select", () => {
    const trace: ReadonlyArray<Entry> = Array.from({ length: 1_000 }, (_, at) =>
      at % 100 === 0 ? { atMs: at, kind: "did", from: "s0", text: "step" } : message(at, "a", "n1")
    )

    it("keeps all that is no message, and the latest messages", () => {
      const chosen = select(trace, 50)
      assert.strictEqual(chosen.length, 50)
      assert.deepStrictEqual(chosen.slice(0, 9), [0, 100, 200, 300, 400, 500, 600, 700, 800])
      assert.deepStrictEqual(chosen.slice(-3), [997, 998, 999])
    })

    it("keeps everything that fits", () => {
      assert.strictEqual(select(trace, 1_000).length, 1_000)
    })

    it("keeps the same out of a greater selection as out of the whole", () => {
      for (const max of [0, 1, 7, 12, 50, 300]) {
        assert.deepStrictEqual(select(trace, max, select(trace, 400)), select(trace, max))
      }
      assert.isAbove(MARKS_MAX, LINES_MAX)
    })
  })

  describe("plan", () => {
    const plan = planOf({
      ...empty,
      planned: [
        { id: "f0", atMs: 0, title: "rain" },
        { id: "s0", atMs: 100, title: "a walk" },
        { id: "s1", atMs: 900, title: "a rest" }
      ],
      trace: [
        { atMs: 50, kind: "fault", from: "f0", text: "rain" },
        { atMs: 150, kind: "did", from: "s0", text: "a walk" },
        { atMs: 160, kind: "heal", from: "f0", text: "rain" },
        { atMs: 170, kind: "did", from: "s0", text: "a walk: done" },
        { atMs: 200, kind: "did", from: "goal", text: "home" }
      ]
    })

    it("takes the times from the trace, and those of what never began from the plan", () => {
      assert.deepStrictEqual(
        plan.map(({ atMs, beganMs, endedMs, id, outcome }) => [id, atMs, beganMs, endedMs, outcome]),
        [
          ["f0", 50, 50, 160, undefined],
          ["s0", 150, 150, 170, "done"],
          ["g0", 200, 200, 200, "reached"],
          ["s1", 950, undefined, undefined, undefined]
        ]
      )
    })

    it("is drawn in few rows without overlap", () => {
      assert.deepStrictEqual(rowsOf(plan, 10_000, 8), [0, 1, 2, 0])
      assert.deepStrictEqual(rowsOf(plan, 10_000, 2), [0, 1, 0, 0])
    })
  })

  describe("holdings map", () => {
    const at = (atMs: number, ...held: ReadonlyArray<readonly [string, string, number?]>) => ({
      atMs,
      holdings: held.map(([node, target, seq]) => ({ node, target, seq }))
    })
    const samples = [
      at(0),
      at(10, ["n0", "aa", 1], ["n1", "aa", 1], ["n0", "bb"]),
      at(20, ["n0", "aa", 2], ["n1", "aa", 1], ["n2", "aa", 2], ["n0", "bb"]),
      at(30, ["n0", "bb"]),
      at(40, ["n1", "aa", 1], ["n0", "bb"])
    ]
    const map = holdingsMapOf(samples)

    it("counts holders, those behind the newest seq, and changes", () => {
      const [aa, bb] = map.rows
      assert.deepStrictEqual(aa?.cells, [
        { holders: 0, newest: undefined, behind: 0 },
        { holders: 2, newest: 1, behind: 0 },
        { holders: 3, newest: 2, behind: 1 },
        { holders: 0, newest: undefined, behind: 0 },
        { holders: 1, newest: 1, behind: 0 }
      ])
      assert.deepStrictEqual([aa?.target, aa?.changes, bb?.target, bb?.changes], ["aa", 4, "bb", 1])
      assert.deepStrictEqual(
        bb?.cells.map(({ holders }) => holders),
        [0, 1, 1, 1, 1]
      )
    })

    it("names the holders of every cell", () => {
      const namesAt = (row: number, look: number) => {
        const flat = map.spans[row] ?? []
        const groups = Array.from({ length: flat.length / 4 }, (_, index) => flat.slice(4 * index, 4 * index + 4))
        return groups
          .filter(([, , from = 0, to = 0]) => from <= look && look <= to)
          .map(([node = 0, seq]) => `${map.names[node]}:${seq}`)
      }
      assert.deepStrictEqual(
        [0, 1, 2, 3, 4].map((look) => namesAt(0, look).toSorted()),
        [[], ["n0:1", "n1:1"], ["n0:2", "n1:1", "n2:2"], [], ["n1:1"]]
      )
      assert.deepStrictEqual(namesAt(1, 3), ["n0:-1"])
    })

    it("draws what vanished, what is behind and what fell back", () => {
      const page = TracePage.render({ ...empty, virtualMs: 50, holdings: samples })
      const drawn = between(page, '<div id="map"', '<rect id="cell"')
      assert.strictEqual(count(drawn, 'class="gone"'), 1)
      assert.strictEqual(count(drawn, 'class="behind"'), 1)
      assert.strictEqual(count(drawn, 'class="fallen"'), 1)
      assert.include(drawn, '<rect class="h2 q0" x="20%" width="20%"')
      assert.include(page, "<td>1</td><td>1</td><td>0</td><td>3</td><td>4</td>")
    })

    it("says how many targets are left out, and keeps those that change most", () => {
      const many = holdingsMapOf(
        [0, 1, 2].map((look) =>
          at(look, ...Array.from({ length: 60 }, (_, index) => ["n0", `t${index}`, index === 59 ? look : 0] as const))
        )
      )
      assert.strictEqual(many.rows.length, TARGETS_MAX)
      assert.strictEqual(many.left, 20)
      assert.strictEqual(many.rows[0]?.target, "t59")
    })

    it("bounds the names that it gives", () => {
      const flapping = holdingsMapOf(
        Array.from({ length: 120 }, (_, look) => ({
          atMs: look,
          holdings: Array.from({ length: 1_000 }, (_, node) => ({ node: `n${node}`, target: "aa", seq: look }))
        }))
      )
      assert.isTrue(flapping.isCut)
      assert.strictEqual(flapping.spans.flat().length, 4 * SPANS_MAX)
      assert.strictEqual(flapping.rows[0]?.cells.at(-1)?.holders, 1_000)
    })

    it("shades by the number of holders", () => {
      assert.deepStrictEqual([0, 1, 2, 3, 4, 8, 16, 40].map(shadeOf), [0, 1, 2, 2, 3, 4, 5, 6])
    })
  })

  describe("numbers", () => {
    it("have units and at most as much precision as one reads", () => {
      assert.deepStrictEqual([0, 350, 2_340, 60_000, 250_000, 3_600_000, 93_784_000, 31_536_000_000].map(duration), [
        "0 ms",
        "350 ms",
        "2.3 s",
        "1 min",
        "4 min 10 s",
        "1 h",
        "1 d 2 h",
        "365 d"
      ])
      assert.deepStrictEqual([12, 12_345.678_9, 1_234_567, -1_000].map(figure), [
        "12",
        "12345.679",
        "1,234,567",
        "-1,000"
      ])
    })
  })
})
