/**
 * What the README promises, command by command: somebody publishes and leaves, others seed, and somebody else
 * finds, installs and runs the package. Each is a process that knows nothing but one DHT node.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert } from "vitest"
import * as LsCli from "./Commands.ts"

const WHO = ["publisher", "seederA", "seederB", "user"] as const
export type Who = (typeof WHO)[number]

/** What is published. */
const SOURCE = "semver"

export class Journey {
  readonly homes: { readonly [W in Who]: string }
  /** The address of the DHT node. */
  readonly bootstrap: string
  publisherKey = ""
  /** Of the package. */
  readonly name: string
  readonly version: string
  /** Its directory. */
  readonly #source: string

  /** Ports are given out again, and networks of tests may meet: each that plays it has a `name` of its own. */
  constructor(bootstrap: string, name: string = SOURCE) {
    this.bootstrap = bootstrap
    this.name = name
    this.#source = LsCli.directory("source")
    Fs.cpSync(LsCli.installedPackage(SOURCE), this.#source, { recursive: true })
    const location = Path.join(this.#source, "package.json")
    const manifest = { ...JSON.parse(Fs.readFileSync(location, "utf8")), name }
    Fs.writeFileSync(location, JSON.stringify(manifest))
    this.version = manifest.version
    this.homes = {
      publisher: LsCli.directory("publisher"),
      seederA: LsCli.directory("seeder-a"),
      seederB: LsCli.directory("seeder-b"),
      user: LsCli.directory("user")
    }
  }

  /** The flags that make a command somebody's. */
  as(who: Who): ReadonlyArray<string> {
    return ["--home", this.homes[who], "--bootstrap", this.bootstrap, "--json"]
  }

  /** Publishes a package and has it seeded by two; then the publisher goes. */
  async publish(): Promise<void> {
    const made = await LsCli.run(["keys", "new", "--home", this.homes.publisher, "--json"])
    assert.strictEqual(made.code, 0, made.stderr)
    this.publisherKey = JSON.parse(made.stdout).publicKey

    const publishing = LsCli.startProgram(["publish", this.#source, "--seed", ...this.as("publisher")])
    const published = await publishing.document()
    assert.deepStrictEqual(Object.keys(published), ["name", "version", "publisher", "infohash", "sha256"])
    assert.strictEqual(published["name"], this.name)
    assert.strictEqual(published["publisher"], this.publisherKey)

    const seeders = (["seederA", "seederB"] as const).map((who) =>
      LsCli.startProgram(["seed", this.name, ...this.as(who)])
    )
    for (const seeder of seeders) {
      const document = await seeder.document()
      assert.deepStrictEqual(Object.keys(document), ["seeding", "listen"])
      assert.strictEqual(document["seeding"], 1)
      assert.match(String(document["listen"]), /^127\.0\.0\.1:\d+$/)
    }
    const gone = await publishing.stop()
    assert.strictEqual(gone.code, 0, gone.stderr)
  }

  /** Finds, resolves, installs and imports what was published. */
  async install(): Promise<void> {
    const project = LsCli.directory("project")
    const queried = await LsCli.run(["query", this.name, ...this.as("user")])
    assert.strictEqual(queried.code, 0, queried.stderr)
    const { publishers } = JSON.parse(queried.stdout)
    assert.strictEqual(publishers.length, 1)
    const fields = ["publisher", "latestVersion", "firstSeen", "observedAt", "pinned", "trusted", "revoked"]
    assert.deepStrictEqual(Object.keys(publishers[0]), fields)
    assert.strictEqual(publishers[0].publisher, this.publisherKey)

    const resolved = await LsCli.run(["resolve", `${this.name}@^7`, ...this.as("user")])
    assert.strictEqual(resolved.code, 0, resolved.stderr)
    assert.strictEqual(resolved.stderr, "")
    assert.strictEqual(JSON.parse(resolved.stdout).publisher, this.publisherKey)

    const installed = await LsCli.run(["install", `${this.name}@^7`, "--dir", project, ...this.as("user")])
    assert.strictEqual(installed.code, 0, installed.stderr)
    const document = JSON.parse(installed.stdout)
    const { name, version } = this
    assert.deepInclude(document, {
      dir: project,
      installed: [{ name, version, publisher: this.publisherKey }],
      packages: 1
    })
    const modules = Path.join(project, "node_modules")
    assert.deepStrictEqual(Fs.readdirSync(modules).toSorted(), [".bin", ".libreseed", name])

    const program = Path.join(project, "program.mjs")
    Fs.writeFileSync(program, `import semver from "${name}"; console.log(semver.satisfies("7.1.2", "^7"))`)
    assert.strictEqual(execFileSync(process.execPath, [program], { encoding: "utf8" }), "true\n")
  }
}

/** Starts a loopback DHT that lives until `LsCli.cleanUp`; gives the address to enter it by. */
export const testnet = async (nodes: number): Promise<string> => {
  const document = await LsCli.start(["testnet", "--nodes", String(nodes), "--json"]).document()
  assert.deepStrictEqual(Object.keys(document), ["bootstrap", "nodes"])
  assert.strictEqual(document["nodes"], nodes)
  const bootstrap = String(document["bootstrap"])
  assert.match(bootstrap, /^127\.0\.0\.1:\d+$/)
  return bootstrap
}
