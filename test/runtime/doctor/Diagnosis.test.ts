import { assert, describe, it } from "@effect/vitest"
import * as Diagnosis from "../../../src/runtime/doctor/Diagnosis.ts"

const well: Diagnosis.Measurements = {
  queries: 100,
  answers: 70,
  bound: { host: "0.0.0.0", port: 6881 },
  external: { host: "84.22.1.9", port: 6881, portIsStable: true, voters: 12 },
  isDirect: false,
  cameBack: false,
  clock: { offsetMs: 120 },
  nodes: 80,
  put: { _tag: "Done", ms: 700, nodes: 17, asked: 20 },
  get: { _tag: "Found", ms: 500, holders: 16, answered: 30, asked: 41 },
  daemon: undefined,
  home: { exists: true },
  isPrivate: false
}

const HOUR_MS = 3_600_000

const daemonOf = (changes: Partial<Diagnosis.Daemon>) => ({
  daemon: { mode: "adaptive", role: "server", upMs: HOUR_MS, isSameNetwork: true, ...changes } as const
})

const of = (check: Diagnosis.Finding["check"], changes: Partial<Diagnosis.Measurements>) =>
  Diagnosis.diagnose({ ...well, ...changes }).find((finding) => finding.check === check)!

const verdict = (check: Diagnosis.Finding["check"], changes: Partial<Diagnosis.Measurements>) =>
  of(check, changes).verdict

describe("Diagnosis", () => {
  it("finds nothing amiss where nothing is", () => {
    const findings = Diagnosis.diagnose({ ...well, ...daemonOf({}) })
    assert.strictEqual(Diagnosis.overall(findings), "good")
    assert.deepStrictEqual(
      findings.filter(({ verdict }) => verdict !== "good"),
      []
    )
  })

  it("has advice for everything that is poor or bad", () => {
    const dark: Diagnosis.Measurements = {
      ...well,
      queries: 40,
      answers: 0,
      external: undefined,
      clock: { offsetMs: 3_600_000 },
      nodes: 0,
      put: { _tag: "Failed", problem: "No DHT node answered" },
      get: { _tag: "Failed", problem: "No DHT node answered" }
    }
    const findings = Diagnosis.diagnose(dark)
    assert.strictEqual(Diagnosis.overall(findings), "bad")
    for (const { advice, check, verdict } of findings) {
      if (verdict === "bad" || verdict === "poor") assert.isDefined(advice, check)
    }
  })

  it("judges the share of replies at its edges", () => {
    assert.strictEqual(verdict("replies", { answers: 40 }), "good")
    assert.strictEqual(verdict("replies", { answers: 39 }), "poor")
    assert.strictEqual(verdict("replies", { answers: 10 }), "poor")
    assert.strictEqual(verdict("replies", { answers: 9 }), "bad")
    assert.strictEqual(verdict("replies", { answers: 0 }), "unknown")
  })

  it("judges the clock at its edges, and says which way it is off", () => {
    assert.strictEqual(verdict("clock", { clock: { offsetMs: Diagnosis.CLOCK_GOOD_MS } }), "good")
    assert.strictEqual(verdict("clock", { clock: { offsetMs: -Diagnosis.CLOCK_GOOD_MS - 1 } }), "poor")
    assert.strictEqual(verdict("clock", { clock: { offsetMs: -Diagnosis.CLOCK_BAD_MS - 1 } }), "bad")
    assert.include(of("clock", { clock: { offsetMs: 60_000 } }).summary, "behind")
    assert.include(of("clock", { clock: { offsetMs: -60_000 } }).summary, "ahead")
    assert.strictEqual(verdict("clock", { clock: { problem: "it did not answer" } }), "unknown")
  })

  it("takes a home that is not there yet for a good one, and one that nothing can be written to for a bad one", () => {
    assert.strictEqual(verdict("home", { home: { exists: false } }), "good")
    const found = of("home", { home: { exists: true, problem: "cannot be written to: permission is denied" } })
    assert.strictEqual(found.verdict, "bad")
    assert.include(found.summary, "permission is denied")
    assert.isDefined(found.advice)
  })

  it("guesses the kind of NAT", () => {
    const external = well.external!
    assert.include(of("nat", { external: { ...external, portIsStable: false } }).summary, "symmetric")
    assert.strictEqual(verdict("nat", { external: { ...external, portIsStable: false } }), "poor")
    assert.include(of("nat", { external: { ...external, port: 41_000 } }).summary, "cone")
    assert.include(of("nat", { isDirect: true }).summary, "None")
    assert.strictEqual(verdict("nat", { isDirect: true }), "good")
    assert.strictEqual(verdict("nat", { external: undefined }), "unknown")
  })

  it("calls no NAT good that strangers have not been seen to pass", () => {
    for (const port of [6881, 41_000]) {
      const seen = { external: { ...well.external!, port }, cameBack: true }
      assert.strictEqual(verdict("nat", seen), "unknown")
      assert.isDefined(of("nat", seen).advice)
      assert.strictEqual(verdict("nat", { ...seen, ...daemonOf({}) }), "good")
      assert.strictEqual(verdict("nat", { ...seen, ...daemonOf({ isSameNetwork: false }) }), "unknown")
    }
  })

  it("takes the word of a daemon for whether strangers come in, once it has been up for long enough", () => {
    assert.strictEqual(verdict("inbound", daemonOf({})), "good")
    const quiet = of("inbound", daemonOf({ role: "client" }))
    assert.strictEqual(quiet.verdict, "poor")
    assert.isDefined(quiet.advice)
    for (const role of ["client", "server"] as const) {
      const young = daemonOf({ role, upMs: Diagnosis.DAEMON_KNOWS_MS })
      assert.strictEqual(verdict("inbound", young), "unknown")
      assert.strictEqual(verdict("nat", young), "unknown")
    }
    assert.strictEqual(verdict("inbound", { ...daemonOf({ upMs: 60_000 }), isPrivate: true }), "good")
    assert.strictEqual(verdict("inbound", daemonOf({ isSameNetwork: false })), "unknown")
    // It serves because it was told to, and nobody may come.
    assert.strictEqual(verdict("inbound", daemonOf({ mode: "server" })), "unknown")
  })

  it("says that it does not know whether strangers come in where nothing shows it", () => {
    const external = well.external!
    assert.strictEqual(verdict("inbound", {}), "unknown")
    assert.strictEqual(verdict("inbound", { cameBack: true }), "unknown")
    assert.strictEqual(verdict("inbound", { isDirect: true, cameBack: true }), "unknown")
    assert.strictEqual(verdict("inbound", { external: undefined }), "unknown")
    assert.strictEqual(verdict("inbound", { external: { ...external, portIsStable: false } }), "poor")
    assert.strictEqual(verdict("inbound", { isPrivate: true, cameBack: true }), "good")
    for (const cameBack of [true, false]) assert.isDefined(of("inbound", { cameBack }).advice)
  })

  it("judges puts by time and by how many nodes took them", () => {
    const put = (ms: number, nodes: number) => ({ put: { _tag: "Done", ms, nodes, asked: 20 } }) as const
    assert.strictEqual(verdict("put", put(Diagnosis.ATTEMPT_GOOD_MS, 8)), "good")
    assert.strictEqual(verdict("put", put(Diagnosis.ATTEMPT_GOOD_MS + 1, 8)), "poor")
    assert.strictEqual(verdict("put", put(Diagnosis.ATTEMPT_BAD_MS + 1, 8)), "bad")
    assert.strictEqual(verdict("put", put(100, 7)), "poor")
    assert.strictEqual(verdict("put", { ...put(100, 3), isPrivate: true }), "good")
    assert.strictEqual(verdict("put", { put: { _tag: "NotTried" } }), "unknown")
  })

  it("does not call a get good that did not find what was put", () => {
    const counts = { ms: 300, holders: 0, answered: 30, asked: 41 }
    assert.strictEqual(verdict("get", { get: { _tag: "Lost", ...counts } }), "bad")
    assert.strictEqual(verdict("get", { get: { _tag: "Nothing", ...counts } }), "good")
    assert.include(of("get", { get: { _tag: "Nothing", ...counts } }).summary, "nothing in particular")
    assert.include(of("get", {}).summary, "16 nodes hold it")
    const got = (ms: number) => ({ get: { _tag: "Found", ...counts, ms } }) as const
    assert.strictEqual(verdict("get", got(Diagnosis.ATTEMPT_GOOD_MS)), "good")
    assert.strictEqual(verdict("get", got(Diagnosis.ATTEMPT_GOOD_MS + 1)), "poor")
    assert.strictEqual(verdict("get", got(Diagnosis.ATTEMPT_BAD_MS + 1)), "bad")
  })

  it("does not call a small private network poor", () => {
    assert.strictEqual(verdict("nodes", { nodes: 5 }), "poor")
    assert.strictEqual(verdict("nodes", { nodes: 5, isPrivate: true }), "good")
    assert.strictEqual(verdict("nodes", { nodes: 0, isPrivate: true }), "bad")
  })

  it("calls a daemon that does not answer bad, and passes on what to do", () => {
    const silent = of("daemon", { daemon: { problem: "Process 7 is silent", advice: "End it: kill 7" } })
    assert.strictEqual(silent.verdict, "bad")
    assert.strictEqual(silent.advice, "End it: kill 7")
  })
})
