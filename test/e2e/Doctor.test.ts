import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import { PersonHere } from "./Here.ts"
import { type Person, testnet } from "./Person.ts"

interface Document {
  readonly verdict: string
  readonly findings: ReadonlyArray<{
    readonly check: string
    readonly verdict: string
    readonly summary: string
    readonly advice?: string
  }>
  readonly measured: {
    readonly clock: { readonly offsetMs: number } | { readonly problem: string }
    readonly home: { readonly exists: boolean }
    readonly put: { readonly _tag: string }
    readonly daemon: { readonly mode: string } | null
  }
}

/** The discard service, which nobody runs. */
const NOBODY = "127.0.0.1:9"

const verdicts = ({ findings }: Document) => Object.fromEntries(findings.map(({ check, verdict }) => [check, verdict]))

/** The values of a metric by its labels, as Prometheus would read them. */
const values = (text: string, name: string): ReadonlyMap<string, number> =>
  new Map(
    text
      .split("\n")
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .map((line) => [line.slice(name.length, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))])
  )

const sum = (text: string, name: string): number =>
  [...values(text, name).values()].reduce((all, each) => all + each, 0)

const page = async (url: unknown): Promise<string> => (await fetch(String(url))).text()

describe("a network examined and measured", { timeout: 60_000 }, () => {
  let person: Person

  beforeAll(async () => {
    person = new PersonHere("doctor", await testnet(12))
    await person.newKey()
    await person.publish(LsCli.newPackage("published"))
  }, 60_000)

  afterAll(LsCli.cleanUp)

  it("ls-cli doctor finds a network well, and tells a program so", async () => {
    const document = await person.json<Document>("doctor")
    assert.strictEqual(document.verdict, "good")
    assert.deepInclude(document.measured, { clock: { problem: "No time server was asked" }, home: { exists: true } })
    assert.deepStrictEqual(verdicts(document), {
      udp: "good",
      replies: "good",
      nodes: "good",
      address: "good",
      nat: "good",
      inbound: "good",
      clock: "unknown",
      put: "good",
      get: "good",
      daemon: "good",
      home: "good"
    })
    const { stdout } = await person.says("doctor")
    assert.strictEqual(stdout.trimEnd().split("\n").length, document.findings.length)
    assert.match(stdout, /^ok {4}put {5}A put took \d+ ms; \d+ of \d+ nodes stored it$/m)
  })

  it("ls-cli doctor --no-write puts nothing", async () => {
    const document = await person.json<Document>("doctor", "--no-write")
    assert.strictEqual(document.measured.put._tag, "NotTried")
    assert.deepInclude(verdicts(document), { put: "unknown", get: "good" })
  })

  it("ls-cli doctor says what to do where nobody answers, and ends as the network's fault", async () => {
    const { code, stderr, stdout } = await new PersonHere("lonely", NOBODY).run("doctor", "--json")
    assert.strictEqual(code, 5)
    const document: Document = JSON.parse(stdout)
    assert.strictEqual(document.verdict, "bad")
    const bad = document.findings.filter(({ verdict }) => verdict === "bad")
    assert.deepStrictEqual(
      bad.map(({ check }) => check),
      ["udp", "nodes", "put", "get"]
    )
    for (const { advice, check } of bad) assert.isDefined(advice, check)
    assert.strictEqual(JSON.parse(stderr).error.code, "NotConnected")
  })

  it("ls-cli doctor refuses a time server that there cannot be", async () => {
    const failure = await person.fails(2, "InvalidArgument", "doctor", "--time-server", "127.0.0.1:99999")
    assert.include(failure.message, "127.0.0.1:99999")
  })

  it("ls-cli daemon --metrics counts what goes through it, on its page and for its user", async () => {
    const daemon = person.start("daemon", "--metrics", "127.0.0.1:0", "--json")
    const { metrics: url } = await daemon.document()
    assert.match(String(url), /^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
    const before = await page(url)
    assert.isAbove(sum(before, "libreseed_dht_nodes"), 5)
    for (const name of ["libreseed_dht_server", "libreseed_dht_items_held", "libreseed_dht_items_held_bytes"]) {
      assert.deepStrictEqual([...values(before, name).keys()], [""], name)
    }
    await person.resolve("published")
    const after = await page(url)
    for (const name of ["libreseed_dht_queries_total", "libreseed_dht_round_trip_seconds_count"]) {
      assert.isAbove(sum(after, name), sum(before, name), name)
    }
    const { metrics } = await person.json<{ readonly metrics: string }>("daemon", "metrics")
    assert.isAtLeast(sum(metrics, "libreseed_dht_queries_total"), sum(after, "libreseed_dht_queries_total"))
    assert.include((await person.says("daemon", "metrics")).stdout, "# TYPE libreseed_dht_queries_total counter\n")

    const document = await person.json<Document>("doctor")
    assert.strictEqual(document.measured.daemon?.mode, "adaptive")
    assert.include(document.findings.find(({ check }) => check === "daemon")?.summary, "commands use it")
    assert.strictEqual((await daemon.stop()).code, 0)
    await person.fails(3, "DaemonNotRunning", "daemon", "metrics")
  })

  it("ls-cli daemon --metrics counts what others ask of its node", async () => {
    const daemon = person.start("daemon", "--metrics", "127.0.0.1:0", "--json")
    const { address, metrics: url } = await daemon.document()
    const missed = async () => values(await page(url), "libreseed_dht_items_total").get('{reason="not-found"}') ?? 0
    const before = await missed()
    await new PersonHere("asking", String(address)).json("doctor", "--no-write")
    assert.isAbove(await missed(), before)
    assert.strictEqual((await daemon.stop()).code, 0)
  })

  it("ls-cli seed --metrics serves the same page", async () => {
    const seeding = person.start("seed", "--metrics", "127.0.0.1:0", "--json")
    const text = await page((await seeding.document())["metrics"])
    assert.isAbove(sum(text, "libreseed_dht_queries_total"), 0)
    assert.isAbove(sum(text, "libreseed_dht_nodes"), 0)
    assert.strictEqual((await seeding.stop()).code, 0)
  })

  it("a page that cannot be is refused", async () => {
    await person.fails(2, "InvalidArgument", "daemon", "--metrics", "9090")
    const taken = person.start("daemon", "--metrics", "127.0.0.1:0", "--json")
    const { host } = new URL(String((await taken.document())["metrics"]))
    const failure = await new PersonHere("other", person.bootstrap).fails(
      5,
      "MetricsFailed",
      "daemon",
      "--metrics",
      host
    )
    assert.include(failure.message, "EADDRINUSE")
    assert.strictEqual((await taken.stop()).code, 0)
  })
})
