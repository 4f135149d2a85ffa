import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as LsCli from "./Commands.ts"
import { Person, type QueryDocument, testnet } from "./Person.ts"
import { publishAll } from "./Publications.ts"

/** Nobody is there: port 9 discards (RFC 863). */
const NOBODY = "127.0.0.1:9"

interface BundleDocument {
  readonly bytes: number
  readonly packages: number
}

interface ImportDocument {
  readonly imported: ReadonlyArray<{ readonly name: string; readonly version: string; readonly isNew: boolean }>
}

/** From a machine with a network to one that has none. The tests are one story, in order. */
describe("a bundle", { timeout: 60_000 }, () => {
  const directory = LsCli.directory("bundle")
  const file = Path.join(directory, "top.bundle")
  const project = Path.join(directory, "project")
  let publisher: Person
  let user: Person
  let key = ""

  beforeAll(async () => {
    publisher = new Person("publisher", await testnet(12))
    user = new Person("user", NOBODY)
    key = await publisher.newKey()
    await publishAll(publisher, [
      LsCli.packageOf({ name: "top", version: "1.0.0", dependencies: { left: "^1.0.0" } }),
      LsCli.packageOf({ name: "left", version: "1.0.0", dependencies: { "@s/right": "*" } }),
      LsCli.newPackage("@s/right"),
      LsCli.newPackage("alone")
    ])
    Fs.mkdirSync(project)
    Fs.writeFileSync(Path.join(project, "package.json"), JSON.stringify({ name: "project" }))
  })

  afterAll(LsCli.cleanUp)

  it("is made of a package and all that it depends on", async () => {
    const made = await publisher.json<BundleDocument>("bundle", "top@^1.0.0", "-o", file)
    assert.strictEqual(made.packages, 3)
    assert.strictEqual(made.bytes, Fs.statSync(file).size)
    const first = Fs.readFileSync(file)
    await publisher.json("bundle", "top@^1.0.0", "-o", file)
    assert.isTrue(first.equals(Fs.readFileSync(file)), "the same once more")
  })

  it("is installed on a machine that asks nobody", async () => {
    const inspected = await user.json<BundleDocument & { readonly wishes: ReadonlyArray<string> }>(
      "bundle",
      "inspect",
      file
    )
    assert.deepStrictEqual(inspected.wishes, ["top@^1.0.0"])
    await user.json("install", "top@^1.0.0", "--offline", "--bundle", file, "--dir", project)
    assert.isTrue(Fs.existsSync(Path.join(project, "node_modules", "top", "index.js")))
    const { evidence, publisher: by } = await user.resolve("left", "--offline")
    assert.strictEqual(by, key)
    const warning = evidence.find(({ kind }) => kind === "warning")
    assert.include(warning?.["message"], "signed today")
  })

  it("goes on being used from the store, and says what it does not have", async () => {
    const again = await user.json<ImportDocument>("bundle", "import", file)
    assert.deepStrictEqual(
      again.imported.map(({ isNew, name }) => `${name} ${isNew}`),
      ["@s/right false", "left false", "top false"]
    )
    Fs.writeFileSync(Path.join(project, "package.json"), JSON.stringify({ dependencies: { top: "^1.0.0" } }))
    await user.json("lock", "--offline", "--dir", project)
    assert.include(Fs.readFileSync(Path.join(project, "libreseed.lock.json"), "utf8"), '"@s/right@1.0.0"')
    const { publishers, signed } = await user.json<QueryDocument & { readonly signed: number }>(
      "query",
      "top",
      "--offline"
    )
    assert.strictEqual(publishers.length, 1)
    assert.isAbove(signed, 1_600_000_000_000)
    const { message } = await user.fails(3, "NotHeld", "resolve", "alone", "--offline")
    assert.include(message, "alone")
    await user.fails(2, "NetworkForbidden", "seed", "--offline")
    await user.fails(2, "NetworkForbidden", "mirror", "semver", "--offline")
    const other = Path.join(directory, "again.bundle")
    await user.json("bundle", "--lock", "--dir", project, "-o", other, "--offline")
    const rest = await user.json<ImportDocument>("bundle", "import", other)
    assert.strictEqual(rest.imported.length, 3)
  })

  it("is refused where a byte of it is wrong, with nothing left of it", async () => {
    const bytes = Fs.readFileSync(file)
    bytes[bytes.length >> 1]! ^= 1
    const wrong = Path.join(directory, "wrong.bundle")
    Fs.writeFileSync(wrong, bytes)
    const stranger = new Person("stranger", NOBODY)
    const { code, stderr } = await stranger.run(
      "install",
      "top",
      "--offline",
      "--bundle",
      wrong,
      "--dir",
      project,
      "--json"
    )
    assert.strictEqual(code, 4, stderr)
    assert.strictEqual(stranger.files("packages").size, 0)
    await stranger.fails(2, "NotABundle", "bundle", "inspect", Path.join(project, "package.json"))
  })
})
