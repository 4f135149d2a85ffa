import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import { Journey, testnet, type Who } from "./Journey.ts"

/**
 * Publisher, seeders and user as separate processes that know nothing of each other but one DHT
 * node: what the README promises, command by command.
 */
describe("ls-cli as separate processes", { timeout: 60_000 }, () => {
  let journey: Journey
  let bootstrap = ""
  const as = (who: Who) => journey.as(who)

  beforeAll(async () => {
    bootstrap = await testnet(20)
    journey = new Journey(bootstrap)
    await journey.publish()
  }, 60_000)

  afterAll(LsCli.cleanUp)

  it("finds, installs and imports a package after its publisher has gone", async () => {
    await journey.install()
  })

  it("installs again over what is there, for people and not only for programs", async () => {
    const project = LsCli.directory("again")
    const args = ["install", "semver", "--dir", project, "--home", journey.homes.user, "--bootstrap", bootstrap]
    for (const _ of [1, 2]) {
      const { code, stderr, stdout } = await LsCli.run(args)
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /^semver@\d+\.\d+\.\d+ {2}by \S{44}\nInstalled 1 package into /)
      assert.notInclude(stdout + stderr, "\u001b", "no control characters without a terminal")
      assert.match(stderr, /^Looking up semver: done in /)
    }
    const modules = Path.join(project, "node_modules")
    assert.deepStrictEqual(Fs.readdirSync(modules).toSorted(), [".bin", ".libreseed", "semver"])
  })

  describe("says what is wrong, with an exit code of its own, and installs nothing", () => {
    const cases: ReadonlyArray<readonly [string, ReadonlyArray<string>, number, string]> = [
      ["an unknown name", ["semverr"], 3, "NameNotFound"],
      ["no version in range", ["semver@^99"], 3, "VersionNotFound"],
      ["a name that climbs out", ["../../etc"], 2, "InvalidSpec"],
      ["a range that is none", ["semver@not a range"], 2, "InvalidSpec"],
      ["a publisher that is no key", ["semver", "--publisher", "zzz"], 2, "InvalidArgument"],
      ["a publisher of something else", ["ms", "--publisher", "e3".repeat(32)], 3, "PackageNotFound"],
      ["another publisher than before", ["semver", "--publisher", "e3".repeat(32)], 4, "PublisherChanged"],
      ["an unknown policy", ["semver", "--policy", "best"], 2, "InvalidArgument"],
      ["a flag that does not exist", ["semver", "--fast"], 2, "Usage"],
      ["nothing that says what to install", [], 2, "InvalidArgument"]
    ]
    for (const [title, args, code, tag] of cases) {
      it(title, async () => {
        const project = LsCli.directory("nothing")
        const ended = await LsCli.run(["install", ...args, "--dir", project, ...as("user")])
        assert.strictEqual(ended.code, code, ended.stderr)
        assert.strictEqual(ended.stdout, "")
        const { code: reported, hint, message } = LsCli.failure(ended)
        assert.strictEqual(reported, tag)
        assert.isAbove(message.length, 10)
        assert.isAbove(hint.length, 10)
        const left = Fs.existsSync(Path.join(project, "node_modules"))
          ? Fs.readdirSync(Path.join(project, "node_modules"))
          : []
        assert.deepStrictEqual(left, [])
      })
    }

    it("no DHT node", async () => {
      const ended = await LsCli.run([
        "resolve",
        "semver",
        "--home",
        journey.homes.user,
        "--bootstrap",
        "127.0.0.1:9",
        "--json"
      ])
      assert.strictEqual(ended.code, 5, ended.stderr)
      assert.strictEqual(LsCli.failure(ended).code, "NoNodes")
      assert.include(LsCli.failure(ended).message, "127.0.0.1:9")
    })
  })

  describe("when nobody serves the bytes any more", () => {
    let args: ReadonlyArray<string> = []
    let project = ""

    beforeAll(async () => {
      const { code, stderr } = await LsCli.run(["publish", LsCli.installedPackage("ms"), ...as("publisher")])
      assert.strictEqual(code, 0, stderr)
      project = LsCli.directory("no-peers")
      args = ["install", "ms", "--dir", project, ...as("user")]
    })

    it("says so in time", async () => {
      const ended = await LsCli.run([...args, "--timeout", "5"])
      assert.strictEqual(ended.code, 5, ended.stderr)
      assert.strictEqual(LsCli.failure(ended).code, "NoPeers")
    })

    it("stops at once when it is interrupted, and leaves nothing behind", async () => {
      const installing = LsCli.startProgram(args.filter((argument) => argument !== "--json"))
      await installing.says("Looking up ms: done")
      const { code, stderr, stdout } = await installing.stop("SIGINT")
      assert.strictEqual(code, 130, stderr)
      assert.strictEqual(stdout, "")
      assert.include(stderr, "Interrupted before the work was done")
      assert.isFalse(Fs.existsSync(Path.join(project, "node_modules", "ms")))
    })
  })
})
