import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import { PersonHere } from "./Here.ts"
import { type Person, type QueryDocument, testnet } from "./Person.ts"

interface Revocation {
  readonly publisher: string
  readonly reason: string
  readonly successor: string | null
}

interface TrustDocument {
  readonly pins: ReadonlyArray<{ readonly name: string; readonly publisher: string; readonly since: number }>
  readonly trusted: ReadonlyArray<{ readonly publisher: string; readonly since: number; readonly note: string | null }>
  readonly revoked: ReadonlyArray<Revocation>
  readonly proofs: ReadonlyArray<unknown>
}

/** Publishers of one name. The record of a name has room for six. */
const CROWD = 10

/** The command that a hint ends with, as it would be pasted into a shell. */
const commandIn = (hint: string): ReadonlyArray<string> => {
  const [, command] = /: ls-cli (.*)$/.exec(hint) ?? []
  assert.isDefined(command, hint)
  return command!.split(" ")
}

/** Several publishers of one name, over a network: who is taken, and how the user has the last word. */
describe("publishers of a name", { timeout: 90_000 }, () => {
  let bootstrap = ""
  const keys = { first: "", second: "" }
  let first: Person
  let second: Person
  const person = (label: string) => new PersonHere(label, bootstrap)

  const publisherOf = async (user: Person, ...flags: ReadonlyArray<string>) =>
    (await user.resolve("shared", ...flags)).publisher

  beforeAll(async () => {
    bootstrap = await testnet()
    first = person("first")
    second = person("second")
    keys.first = await first.newKey()
    keys.second = await second.newKey()
    await first.publish(LsCli.newPackage("shared", "1.0.0", "first"))
    await second.publish(LsCli.newPackage("shared", "2.0.0", "second"))
  })

  afterAll(LsCli.cleanUp)

  it("chooses between them by policy", async () => {
    const user = person("chooser")
    assert.strictEqual(await publisherOf(user), keys.first)
    assert.strictEqual(await publisherOf(user, "--policy", "latestVersion"), keys.second)
    assert.strictEqual(await publisherOf(user, "--publisher", keys.second), keys.second)

    const refused = await user.fails(4, "NoAcceptablePublisher", "resolve", "shared", "--policy", "userTrust")
    assert.include(refused.hint, "ls-cli trust add")
    assert.strictEqual(await publisherOf(user, "--policy", "userTrust,firstSeen"), keys.first)
    await user.json("trust", "add", keys.second)
    assert.strictEqual(await publisherOf(user, "--policy", "userTrust"), keys.second)
    assert.strictEqual(await publisherOf(user, "--policy", "userTrust,firstSeen"), keys.second)
    const { publishers } = await user.json<QueryDocument>("query", "shared", "--policy", "userTrust")
    assert.deepStrictEqual(
      publishers.map(({ latestVersion, publisher, refused }) => [publisher, latestVersion, refused === undefined]),
      [
        [keys.second, "2.0.0", true],
        [keys.first, "1.0.0", false]
      ]
    )
    for (const policy of ["best", "", "userTrust,best"]) {
      const { hint } = await user.fails(2, "InvalidArgument", "resolve", "shared", "--policy", policy)
      assert.include(hint, "userTrust")
    }
  })

  it("takes the one whom most peers serve with the policy seederCount", async () => {
    const user = person("counter")
    assert.strictEqual(await publisherOf(user, "--policy", "seederCount"), keys.first)
    const seeding = await second.seed()
    assert.strictEqual(await publisherOf(user, "--policy", "seederCount"), keys.second)
    const { publishers } = await user.json<QueryDocument>("query", "shared", "--policy", "seederCount")
    assert.deepStrictEqual(
      publishers.map(({ publisher }) => publisher),
      [keys.second, keys.first]
    )
    // The process that published announced itself, too, and the network remembers it for a while.
    const [most = 0, less = 0] = publishers.map(({ seeders }) => seeders)
    assert.isAbove(most, less)
    await seeding.stop()
  })

  it("stays with the publisher of the first install until the user says otherwise", async () => {
    const seeding = await Promise.all([first.seed(), second.seed()])
    const user = person("faithful")
    const project = LsCli.directory("project")
    const install = (...flags: ReadonlyArray<string>) =>
      user.json<{ installed: ReadonlyArray<unknown> }>("install", "shared", "--dir", project, ...flags)
    const installed = await install()
    assert.deepStrictEqual(installed.installed, [{ name: "shared", version: "1.0.0", publisher: keys.first }])
    assert.strictEqual(await publisherOf(user, "--policy", "latestVersion"), keys.first)

    const args = ["install", "shared", "--dir", project, "--publisher", keys.second]
    const { hint, message } = await user.fails(4, "PublisherChanged", ...args)
    assert.include(message, keys.first)
    assert.include(message, keys.second)
    assert.deepStrictEqual(commandIn(hint), ["trust", "pin", "shared", keys.second])
    assert.include(Fs.readFileSync(Path.join(project, "node_modules/shared/index.js"), "utf8"), "first")

    await user.says(...commandIn(hint))
    await install("--publisher", keys.second)
    assert.include(Fs.readFileSync(Path.join(project, "node_modules/shared/index.js"), "utf8"), "second")
    const { pins } = await user.json<TrustDocument>("trust", "list")
    assert.deepStrictEqual(
      pins.map(({ name, publisher }) => [name, publisher]),
      [["shared", keys.second]]
    )
    await user.json("trust", "unpin", "shared")
    assert.strictEqual(await publisherOf(user), keys.first)
    for (const each of seeding) await each.stop()
  })

  it("keeps what the user decided without any network", { concurrent: true }, async () => {
    const user = new PersonHere("offline", "127.0.0.1:9")
    const started = Date.now()
    const trusted = await user.json<object>("trust", "add", keys.first, "--note", "from the fair")
    await user.json("trust", "add", keys.second)
    const pinned = await user.json<object>("trust", "pin", "shared", keys.first)
    assert.deepInclude(pinned, { name: "shared", publisher: keys.first, replaced: null })
    const list = await user.json<TrustDocument>("trust", "list")
    assert.deepStrictEqual(Object.keys(list), ["pins", "trusted", "revoked", "proofs"])
    assert.deepInclude(list.trusted, trusted)
    for (const { since } of [...list.pins, ...list.trusted]) assert.isTrue(since >= started && since <= Date.now())
    const told = await user.says("trust", "list")
    assert.include(told.stdout, `  ${keys.first}  since `)
    assert.include(told.stdout, "  from the fair\n")

    assert.deepStrictEqual(await user.json("trust", "remove", keys.first), { publisher: keys.first, removed: true })
    assert.deepStrictEqual(await user.json("trust", "remove", keys.first), { publisher: keys.first, removed: false })
    const unpinned = { name: "shared", publisher: keys.first, removed: true }
    assert.deepStrictEqual(await user.json("trust", "unpin", "shared"), unpinned)
    const left = await user.json<TrustDocument>("trust", "list")
    assert.deepStrictEqual([left.pins.length, left.trusted.length], [0, 1])
    await user.fails(2, "InvalidArgument", "trust", "add", "zzz")
    await user.fails(2, "InvalidArgument", "trust", "pin", "../shared", keys.first)
  })

  it("believes nothing of a key that revoked itself, and names its successor", { concurrent: true }, async () => {
    const owner = person("owner")
    const key = await owner.newKey()
    const successor = await owner.newKey("next")
    const path = LsCli.newPackage("stolen")
    await owner.publish(path)
    const seeding = await owner.seed()
    const user = person("pinned")
    const project = LsCli.directory("project")
    await user.says("install", "stolen", "--dir", project)

    const before = owner.files()
    const { message } = await owner.fails(2, "NotConfirmed", "revoke", "--successor", successor)
    assert.include(message, key)
    const explained = await owner.run("revoke", "--successor", successor)
    assert.strictEqual(explained.code, 2)
    assert.include(explained.stderr, "refuses every release of this key")
    assert.include(explained.stderr, successor)
    assert.include(explained.stderr, "--yes")
    assert.deepStrictEqual(owner.files(), before)
    assert.strictEqual((await user.resolve("stolen")).publisher, key)

    const args = ["revoke", "--yes", "--successor", successor, "--reason", "laptop stolen"]
    const revoked = await owner.json<Revocation & { readonly key: string; readonly acks: number }>(...args)
    assert.deepInclude(revoked, { key: "default", publisher: key, reason: "laptop stolen", successor })
    assert.isAtLeast(revoked.acks, 8)

    const refused = await user.fails(4, "PublisherRevoked", "install", "stolen", "--dir", project)
    assert.include(refused.message, "laptop stolen")
    assert.deepStrictEqual(commandIn(refused.hint), ["trust", "pin", "stolen", successor])
    const list = await user.json<TrustDocument>("trust", "list")
    assert.deepInclude(list.revoked[0] ?? {}, { publisher: key, reason: "laptop stolen", successor })
    const stranger = person("stranger")
    const unacceptable = await stranger.fails(4, "NoAcceptablePublisher", "resolve", "stolen")
    assert.include(unacceptable.hint, "laptop stolen")
    await stranger.fails(4, "PublisherRevoked", "resolve", "stolen", "--publisher", key)

    await owner.publish(path, "--key", "next")
    await seeding.stop()
    const again = await owner.seed()
    await user.fails(4, "PublisherRevoked", "resolve", "stolen")
    await user.says(...commandIn(refused.hint))
    const { installed } = await user.json<{ installed: unknown }>("install", "stolen", "--dir", project)
    assert.deepStrictEqual(installed, [{ name: "stolen", version: "1.0.0", publisher: successor }])
    assert.strictEqual((await stranger.resolve("stolen")).publisher, successor)
    await again.stop()
  })

  it(`loses nobody when ${CROWD} claim one name at the same time`, { concurrent: true }, async () => {
    const crowd = person("crowd")
    const names = Array.from({ length: CROWD }, (_, index) => `key-${index}`)
    const claimed = await Promise.all(
      names.map(async (name, index) => {
        await crowd.newKey(name)
        const { publisher } = await crowd.publish(LsCli.newPackage("crowded", `1.0.${index}`), "--key", name)
        return publisher
      })
    )
    const user = person("visitor")
    const { publishers } = await user.json<QueryDocument>("query", "crowded")
    assert.sameMembers(
      publishers.map(({ publisher }) => publisher),
      claimed
    )
    await Promise.all(
      claimed.map(async (publisher, index) => {
        const { version } = await user.resolve("crowded", "--publisher", publisher)
        assert.strictEqual(version, `1.0.${index}`)
      })
    )
  })
})
