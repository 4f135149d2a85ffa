/** What a person does with the store: seed it while it grows, find what is damaged, have it repaired, make room. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import { Person, testnet } from "./Person.ts"

const document = ({ code, stderr, stdout }: LsCli.Ended, expected = 0): Record<string, unknown> => {
  assert.strictEqual(code, expected, stderr)
  return JSON.parse(stdout)
}

describe("ls-cli store, and a seed that runs meanwhile", { timeout: 60_000 }, () => {
  let publisher: Person
  let user: Person
  let seeding: LsCli.Running

  beforeAll(async () => {
    const bootstrap = await testnet(8)
    publisher = new Person("publisher", bootstrap)
    user = new Person("user", bootstrap)
    await publisher.newKey()
    await publisher.publish(LsCli.newPackage("early"))
    seeding = publisher.start("seed")
    await seeding.says("Press Ctrl-C to stop")
  }, 60_000)

  afterAll(LsCli.cleanUp)

  it("serves what is published while it runs, without being told", async () => {
    await publisher.publish(LsCli.newPackage("later"))
    await seeding.says("Seeding later@1.0.0, too")
    const project = LsCli.directory("project")
    const { code, stderr } = await user.run("install", "early", "later", "--dir", project)
    assert.strictEqual(code, 0, stderr)
  })

  it("tells what is damaged, and has it repaired from the swarm", async () => {
    const { path } = document(await user.run("store", "path", "later", "--json"))
    const tarball = Path.join(String(path), "later-1.0.0.tgz")
    const sound = Fs.readFileSync(tarball)
    assert.strictEqual(document(await user.run("store", "verify", "--json"))["damaged"], 0)
    Fs.writeFileSync(tarball, Buffer.from(sound).fill(0, 60, 80))
    const found = await user.run("store", "verify", "--json")
    const [damage] = document(found, 6)["damages"] as ReadonlyArray<Record<string, unknown>>
    assert.deepInclude(damage, { kind: "release", package: "later@1.0.0", repaired: false })
    assert.strictEqual(LsCli.failure(found).code, "StoreDamaged")
    assert.deepInclude(document(await user.run("store", "verify", "--repair", "--json")), { damaged: 1, repaired: 1 })
    assert.deepStrictEqual(Fs.readFileSync(tarball), sound)
  })

  it("counts what is stored and makes room, but not for what is used or published here", async () => {
    assert.deepInclude(document(await user.run("store", "stats", "--json")), { releases: 2, names: 2, illegible: 0 })
    assert.deepInclude(document(await user.run("store", "prune", "--json")), { removed: [], kept: 2 })
    const planned = document(await user.run("store", "prune", "--older-than", "0", "--dry-run", "--json"))
    assert.deepInclude(planned, { dryRun: true, kept: 0 })
    assert.isAbove(Number(planned["bytesFreed"]), 0)
    assert.deepInclude(document(await user.run("store", "stats", "--json")), { releases: 2 })
    const { bytesFreed } = document(await user.run("store", "prune", "--older-than", "0", "--json"))
    assert.strictEqual(bytesFreed, planned["bytesFreed"])
    assert.deepInclude(document(await user.run("store", "stats", "--json")), { releases: 0, bytes: 0 })
    assert.deepInclude(document(await publisher.run("store", "prune", "--older-than", "0", "--json")), { kept: 2 })
    assert.strictEqual(LsCli.failure(await user.run("store", "path", "later", "--json")).code, "NotStored")
    assert.strictEqual((await seeding.stop()).code, 0)
  })
})
