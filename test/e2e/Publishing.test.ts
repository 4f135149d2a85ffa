import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import { PersonHere } from "./Here.ts"
import { type Person, type ReleaseDocument, type ResolvedDocument, testnet } from "./Person.ts"

interface RehearsalDocument extends ReleaseDocument {
  readonly dryRun: true
  readonly infohashIsFinal: boolean
  readonly records: ReadonlyArray<{
    readonly kind: string
    readonly keyString: string
    readonly seq: number
    readonly bytes: number
    readonly state: "new" | "changed" | "unchanged"
  }>
}

const NODES = 20

/** Waits until the notes of a publication that is under way say that a step is done; ends with the command, too. */
const noted = async (publications: string, step: string, publishing: LsCli.Running): Promise<void> => {
  const isNoted = () =>
    Fs.readdirSync(publications)
      .filter((file) => file.endsWith(".json"))
      .some((file) => Fs.readFileSync(Path.join(publications, file), "utf8").includes(`"${step}"`))
  const abort = new AbortController()
  const watched = (async () => {
    for await (const _ of Fs.promises.watch(publications, { signal: abort.signal })) if (isNoted()) return
  })()
  await Promise.race([watched, publishing.ended])
  abort.abort()
  await watched.catch(() => {})
}

/** Publishing over a network: what is written, when, and what is left when it is cut off. */
describe("publishing", { timeout: 90_000 }, () => {
  let bootstrap = ""
  let publisher: Person
  let user: Person
  let key = ""

  beforeAll(async () => {
    bootstrap = await testnet(NODES)
    publisher = new PersonHere("publisher", bootstrap)
    user = new PersonHere("user", bootstrap)
    key = await publisher.newKey()
  })

  afterAll(LsCli.cleanUp)

  it("shows with --dry-run each record that it would write, and writes none", async () => {
    const path = LsCli.newPackage("rehearsed")
    const before = publisher.files()
    const { name, records, ...rest } = await publisher.json<RehearsalDocument>("publish", path, "--dry-run")
    assert.strictEqual(name, "rehearsed")
    assert.deepInclude(rest, { dryRun: true, infohashIsFinal: false })
    assert.strictEqual(rest.publisher, key)
    assert.deepStrictEqual(
      records.map(({ keyString, kind, seq, state }) => [kind, keyString, seq, state]),
      [
        ["release", "libreseed:manifest:rehearsed@1.0.0", 1, "new"],
        ["package", "libreseed:package:rehearsed", 1, "new"],
        ["announce", `libreseed:announce:${key}`, 1, "new"],
        ["nameIndex", "libreseed:name-index:rehearsed", 1, "new"]
      ]
    )
    for (const { bytes } of records) assert.isTrue(bytes > 0 && bytes <= 996)

    const told = await publisher.says("publish", path, "--dry-run")
    assert.include(told.stdout, "\nNothing was written. Publishing would write:\n")
    for (const { keyString } of records) assert.include(told.stdout, `  ${keyString}\n`)
    assert.deepStrictEqual(publisher.files(), before)
    await user.fails(3, "NameNotFound", "query", "rehearsed")
    await user.fails(3, "PackageNotFound", "resolve", "rehearsed", "--publisher", key)
  })

  it("changes nothing when the same thing is published again, and refuses another thing under its version", async () => {
    const path = LsCli.newPackage("immutable")
    const first = await publisher.publish(path)
    const before = publisher.files()
    assert.deepStrictEqual(await publisher.publish(path), first)
    assert.deepStrictEqual(publisher.files(), before)
    const rehearsal = await publisher.json<RehearsalDocument>("publish", path, "--dry-run")
    const { dryRun: _, infohashIsFinal, records, ...same } = rehearsal
    assert.deepStrictEqual(same, first)
    assert.isTrue(infohashIsFinal)
    for (const { seq, state } of records) assert.deepStrictEqual([seq, state], [1, "unchanged"])

    const other = LsCli.newPackage("immutable", "1.0.0", "something else")
    for (const flags of [[], ["--dry-run"]]) {
      const { message } = await publisher.fails(2, "VersionExists", "publish", other, ...flags)
      assert.include(message, "immutable@1.0.0")
    }
    assert.deepStrictEqual(publisher.files(), before)
    // Another machine with the same key knows of it by the network alone.
    const elsewhere = new PersonHere("elsewhere", bootstrap)
    Fs.cpSync(Path.join(publisher.home, "keys"), Path.join(elsewhere.home, "keys"), { recursive: true })
    await elsewhere.fails(2, "VersionExists", "publish", other)
    assert.deepStrictEqual(elsewhere.files("packages"), new Map())
    assert.deepStrictEqual(await elsewhere.publish(path), first)
    assert.strictEqual((await user.resolve("immutable")).infohash, first.infohash)
  })

  it("asks for as many acknowledgements as there are nodes, and for no more", async () => {
    const ended = await publisher.says("publish", LsCli.newPackage("eight"), "--min-acks", "8")
    const [, acks] = /held by at least (\d+) DHT nodes\./.exec(ended.stderr) ?? []
    assert.isTrue(Number(acks) >= 8 && Number(acks) <= NODES, ended.stderr)
    // One datagram that is lost for good is one acknowledgement too few: the error says to run it again.
    const all = LsCli.newPackage("all")
    const first = await publisher.run("publish", all, "--min-acks", "1000")
    if (first.code !== 0) {
      assert.include(first.stderr, "Run the command again to go on where it stopped")
      await publisher.says("publish", all, "--min-acks", "1000")
    }
    const wrong = await publisher.fails(2, "InvalidArgument", "publish", ".", "--min-acks", "0")
    assert.include(wrong.message, "--min-acks")
  })

  it("has a catalogue that grows, and dates nothing anew", async () => {
    await publisher.publish(LsCli.newPackage("grown"))
    const next = LsCli.newPackage("grown", "1.1.0")
    const { records } = await publisher.json<RehearsalDocument>("publish", next, "--dry-run")
    assert.deepStrictEqual(
      records.map(({ kind, state }) => [kind, state]),
      [
        ["release", "new"],
        ["package", "changed"],
        ["announce", "changed"],
        ["nameIndex", "changed"]
      ]
    )
    await publisher.publish(next)
    const [old, latest] = await Promise.all([user.resolve("grown@1.0.0"), user.resolve("grown")])
    assert.deepStrictEqual([old.version, latest.version], ["1.0.0", "1.1.0"])
  })

  it("lets no package write to the terminals of its users", async () => {
    const control = "\u001b[2J"
    const manifest = { os: [`plan9${control}`], bin: { hostile: `./index${control}.js` } }
    await publisher.publish(LsCli.packageOf({ name: "hostile", version: "1.0.0", ...manifest }))
    const useless = LsCli.packageOf({ name: "useless", version: "1.0.0", dependencies: { other: `^1${control}` } })
    const refused = await publisher.run("publish", useless)
    assert.strictEqual(refused.code, 2)
    assert.include(refused.stderr, "useless@1.0.0 could be installed by nobody")
    assert.notInclude(refused.stdout + refused.stderr, control)
    const seeding = await publisher.seed()
    const { code, stderr, stdout } = await user.run("install", "hostile", "--dir", LsCli.directory("project"))
    assert.strictEqual(code, 2)
    assert.include(stderr, "plan9")
    assert.notInclude(stdout + stderr, control)
    await seeding.stop()
  })

  describe("cut off by kill -9, ends as if nothing had happened when it is run again", () => {
    const steps = ["packed", "prepared", "seeded", "release", "announce"]
    let cutOff = 0

    for (const step of steps) {
      it(`after "${step}"`, { concurrent: true }, async () => {
        const author = new PersonHere("author", bootstrap)
        await author.newKey()
        const publications = Path.join(author.home, "publications")
        Fs.mkdirSync(publications, { mode: 0o700 })
        const name = `torn-${step}`
        const path = LsCli.newPackage(name)
        const publishing = author.start("publish", path)
        await (step === "packed" ? publishing.says("Packing ") : noted(publications, step, publishing))
        const { code } = await publishing.stop("SIGKILL")
        if (code === null) cutOff++

        // What others see is all of it or none of it.
        const seen = await user.run("resolve", name, "--json")
        assert.include([0, 3], seen.code, seen.stderr)
        const finished = await author.publish(path)
        if (seen.code === 0) {
          const { infohash }: ResolvedDocument = JSON.parse(seen.stdout)
          assert.strictEqual(infohash, finished.infohash)
        }
        const { evidence, infohash } = await user.resolve(name)
        assert.strictEqual(infohash, finished.infohash)
        for (const { seq } of evidence.filter(({ found }) => found === true)) assert.strictEqual(seq, 1)
        assert.deepStrictEqual(Fs.readdirSync(publications), [], "nothing is under way any more")
      })
    }

    it("which did happen", () => assert.isAtLeast(cutOff, 1))
  })

  it("is kept alive by whoever seeds it, in a network that knows nothing of it any more", async () => {
    const published = publisher.start("publish", LsCli.newPackage("kept"), "--seed", "--json")
    const { infohash } = await published.document()
    const seeder = new PersonHere("seeder", bootstrap)
    const fetching = await seeder.seed("kept")
    await Promise.all([published.stop(), fetching.stop()])

    const forgetful = await testnet(8)
    const late = new PersonHere("late", forgetful)
    await late.fails(3, "NameNotFound", "resolve", "kept")
    const seeding = LsCli.startProgram(["seed", "--home", seeder.home, "--bootstrap", forgetful, "--json"])
    await seeding.document()
    let found: LsCli.Ended
    do found = await late.run("resolve", "kept", "--json")
    while (found.code === 3)
    assert.strictEqual(found.code, 0, found.stderr)
    assert.strictEqual(JSON.parse(found.stdout).infohash, infohash)
    const project = LsCli.directory("project")
    await late.says("install", "kept", "--dir", project)
    assert.isTrue(Fs.existsSync(Path.join(project, "node_modules/kept/index.js")))
  })
})
