import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import { PersonHere } from "./Here.ts"
import { type EvidenceItem, type Person, testnet } from "./Person.ts"
import { publishAll } from "./Publications.ts"

/** More than a package's own record has room for. */
const VERSIONS = 70

/** Fewer than elsewhere, since every record goes to all of them. */
const NODES = 12

const kinds = (evidence: ReadonlyArray<EvidenceItem>) => new Set(evidence.map(({ kind }) => kind))

const records = (evidence: ReadonlyArray<EvidenceItem>) => evidence.filter(({ kind }) => kind === "record")

/** Versions of one package, over a network: which one is taken, what is told about it, and how many look-ups that costs. */
describe("versions of a package", { timeout: 90_000 }, () => {
  let publisher: Person
  let user: Person
  let key = ""

  beforeAll(async () => {
    const bootstrap = await testnet(NODES)
    publisher = new PersonHere("publisher", bootstrap)
    user = new PersonHere("user", bootstrap)
    key = await publisher.newKey()
    const few = ["1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0"].map((version) => LsCli.newPackage("few", version))
    const many = Array.from({ length: VERSIONS }, (_, patch) => LsCli.newPackage("many", `1.0.${patch}`))
    await publishAll(publisher, [...few, ...many])
  }, 180_000)

  afterAll(LsCli.cleanUp)

  it("takes as few look-ups as there can be, and tells what it looked up and considered", async () => {
    const pinning = new PersonHere("pinning", user.bootstrap)
    const pin = pinning.json("trust", "pin", "few", key)
    const [cold, older, exact, given, givenExact, pinned] = await Promise.all([
      user.resolve("few"),
      user.resolve("few@^1"),
      user.resolve("few@1.0.0"),
      user.resolve("few", "--publisher", key),
      user.resolve("few@1.0.0", "--publisher", key),
      pin.then(() => pinning.resolve("few"))
    ])
    assert.strictEqual(cold.version, "2.0.0")
    assert.strictEqual(older.version, "1.1.0")
    assert.strictEqual(exact.version, "1.0.0")
    assert.strictEqual(givenExact.infohash, exact.infohash)
    for (const newest of [given, pinned]) assert.strictEqual(newest.infohash, cold.infohash)
    assert.deepStrictEqual(
      [cold, older, exact, given, givenExact, pinned].map(({ lookups }) => lookups),
      [2, 3, 3, 1, 1, 1]
    )

    for (const { evidence } of [cold, older, exact, given, givenExact, pinned]) {
      assert.deepStrictEqual(kinds(evidence), new Set(["record", "publisher", "version"]))
      for (const record of records(evidence)) {
        if (record["found"] === true) assert.isNotEmpty(record["responders"], String(record["record"]))
        else assert.strictEqual(record["record"], "revocation")
      }
      assert.deepStrictEqual(
        evidence.filter(({ verdict }) => verdict === "chosen").map(({ kind }) => kind),
        ["publisher", "version"]
      )
    }
    const rounds = records(older.evidence).map(({ record, round }) => [round, record])
    assert.deepStrictEqual(rounds, [
      [1, "nameIndex"],
      [2, "package"],
      [2, "revocation"],
      [3, "release"]
    ])
  })

  it("explains itself to people with --why", async () => {
    await user.resolve("few")
    const { stderr, stdout } = await user.says("resolve", "few@^1", "--why")
    assert.match(stderr, /^Looking up few@\^1: done in [^\n]+\n$/)
    const told = stdout
      .replaceAll(key, "KEY")
      .replaceAll(key.slice(0, 10), "KEY0123456")
      .replaceAll(/127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+ and \d+ more/g, "NODES")
      .replaceAll(/[0-9a-f]{40,}/g, "HASH")
      .replaceAll(/\d{4}-\d\d-\d\d/g, "DATE")
    assert.strictEqual(
      told,
      `few@1.1.0
  publisher  KEY
  infohash   HASH
  sha256     HASH

Looked up, in 3 rounds, each after the one before it:
  round  record      signed by   answer
  1      name index  anybody     found, no. 3, from NODES
  2      package     KEY0123456  found, no. 4, from NODES
  2      revocation  KEY0123456  not revoked
  3      release     KEY0123456  found, no. 1, from NODES

Publishers, the chosen one with a star:
     publisher                                     newest  seen since  why
  *  KEY  2.0.0   DATE  the only publisher

Versions, the chosen one with a star:
     version     why
     2.0.0       not in the range ^1
  *  1.1.0       the highest in the range ^1
     1.0.0       older than the chosen one
     2.0.0-rc.1  a pre-release that ^1 does not name
`
    )
  })

  it("finds versions that the package's record has no room for", async () => {
    const newest = await user.resolve("many")
    assert.strictEqual(newest.version, `1.0.${VERSIONS - 1}`)
    assert.strictEqual(newest.lookups, 2)
    const older = await Promise.all([user.resolve("many@<=1.0.5"), user.resolve("many@1.0.5")])
    assert.strictEqual(older[0].infohash, older[1].infohash)
    for (const { evidence, infohash, version } of older) {
      assert.strictEqual(version, "1.0.5")
      assert.match(infohash, /^[0-9a-f]{40}$/)
      const looked = records(evidence).map(({ record }) => record)
      assert.include(looked, "versions", "the tree of all versions was read")
      assert.strictEqual(evidence.filter(({ kind }) => kind === "warning").length, 0)
    }
    const { hint } = await user.fails(3, "VersionNotFound", "resolve", "many@^2")
    assert.include(hint, `1.0.${VERSIONS - 1}`)
  })

  it("lets go of a yanked version by range, and takes it back", async () => {
    const [newest, next] = [`1.0.${VERSIONS - 1}`, `1.0.${VERSIONS - 2}`]
    const yanked = await publisher.json("yank", `many@${newest}`)
    assert.deepStrictEqual(yanked, { name: "many", version: newest, publisher: key, yanked: true })
    const [latest, query, exact, told] = await Promise.all([
      user.resolve("many"),
      user.says("query", "many"),
      user.resolve(`many@${newest}`),
      user.says("resolve", `many@${newest}`)
    ])
    assert.strictEqual(latest.version, next)
    assert.include(query.stdout, `  ${next}  `)
    assert.deepStrictEqual(exact.flags, ["yanked"])
    const warning = `many@${newest} was yanked by its publisher.`
    assert.deepInclude(exact.evidence, { kind: "warning", code: "yanked", message: warning })
    assert.include(told.stderr, `Note: ${warning}\n`)
    assert.match(told.stdout, /\n {2}flags {6}yanked\n/)

    await publisher.json("yank", "many@1.0.5")
    assert.strictEqual((await user.resolve("many@<=1.0.5")).version, "1.0.4")

    const undone = await publisher.json("yank", `many@${newest}`, "--undo")
    assert.deepStrictEqual(undone, { name: "many", version: newest, publisher: key, yanked: false })
    await publisher.json("yank", "many@1.0.5", "--undo")
    const after = await Promise.all([user.resolve("many"), user.resolve("many@<=1.0.5")])
    assert.deepStrictEqual(
      after.map(({ version }) => version),
      [newest, "1.0.5"]
    )
  })

  it("warns of a deprecated version, and still takes it", async () => {
    const document = await publisher.json("deprecate", "many@1.0.7")
    assert.deepStrictEqual(document, { name: "many", version: "1.0.7", publisher: key, deprecated: true })
    const [resolved, { stderr }] = await Promise.all([
      user.resolve("many@<=1.0.7"),
      user.says("resolve", "many@<=1.0.7")
    ])
    assert.strictEqual(resolved.version, "1.0.7")
    assert.deepStrictEqual(resolved.flags, ["deprecated"])
    assert.include(stderr, "Note: many@1.0.7 is deprecated by its publisher.\n")
    await publisher.json("deprecate", "many@1.0.7", "--undo")
    assert.deepStrictEqual((await user.resolve("many@1.0.7")).flags, [])
  })

  describe("retracts nothing but one version of one's own", () => {
    const cases: ReadonlyArray<readonly [string, string, number, string]> = [
      ["a version that does not exist", "few@3.0.0", 3, "VersionNotFound"],
      ["a range", "few@^1", 2, "InvalidArgument"],
      ["a tag", "few@latest", 2, "InvalidArgument"],
      ["no version", "few", 2, "InvalidArgument"],
      ["no name", "@1.0.0", 2, "InvalidArgument"],
      ["a package of somebody else", "fewer@1.0.0", 3, "PackageNotFound"]
    ]
    for (const [title, version, code, tag] of cases) {
      it(title, { concurrent: true }, () => publisher.fails(code, tag, "yank", version))
    }

    it("without a key", { concurrent: true }, () => user.fails(3, "KeyNotFound", "deprecate", "few@1.0.0"))
  })
})
