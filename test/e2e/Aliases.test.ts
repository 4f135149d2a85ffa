import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as NpmRegistry from "../../scripts/NpmRegistry.ts"
import { offer } from "../runtime/mirror/Registries.ts"
import * as LsCli from "./Commands.ts"
import { Person, testnet } from "./Person.ts"
import { publishAll } from "./Publications.ts"

/** Nobody is there: port 9 discards (RFC 863). */
const NOBODY = "127.0.0.1:9"

const PROGRAM = "console.log(require('cliui/package.json').version, require('old/package.json').version)"

/** A tree as npm has it, with packages under other names than their own. The tests are one story, in order. */
describe("aliases", { timeout: 60_000 }, () => {
  const scope = Effect.runSync(Scope.make())
  const project = LsCli.directory("project")
  const bundle = Path.join(project, "..", "aliases.bundle")
  let registry: NpmRegistry.NpmRegistry
  let user: Person

  /** package.json and lock file of the project, elsewhere. */
  const checkOut = (label: string): string => {
    const directory = LsCli.directory(label)
    for (const name of ["package.json", "libreseed.lock.json", "main.cjs"]) {
      Fs.copyFileSync(Path.join(project, name), Path.join(directory, name))
    }
    return directory
  }

  beforeAll(async () => {
    registry = await Effect.runPromise(
      Scope.provide(
        NpmRegistry.make(
          [
            offer("width", "4.2.3"),
            offer("width", "5.1.2"),
            offer("cliui", "8.0.2", { dependencies: { width: "^5.1.2", "width-cjs": "npm:width@^4.2.0" } })
          ],
          { signer: NpmRegistry.makeSigner() }
        ),
        scope
      )
    )
    const bootstrap = await testnet()
    user = new Person("user", bootstrap)
    await user.newKey()
    await user.json("mirror", "cliui", "--registry", registry.url, "--rate", "500")
    await publishAll(user, [LsCli.packageOf({ name: "app", version: "1.0.0", dependencies: { ui: "npm:cliui@8" } })])
    Fs.writeFileSync(
      Path.join(project, "package.json"),
      JSON.stringify({ dependencies: { app: "1", cliui: "8", old: "npm:width@4" } })
    )
    Fs.writeFileSync(Path.join(project, "main.cjs"), PROGRAM)
  })

  afterAll(async () => {
    await LsCli.cleanUp()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  it("are mirrored, published and installed, and told by their names", async () => {
    await user.json("install", "--dir", project)
    const state = Fs.readFileSync(Path.join(project, "libreseed.lock.json"), "utf8")
    assert.include(state, '"width-cjs@npm:width@^4.2.0": "width@4.2.3"')
    assert.strictEqual(
      JSON.parse(Fs.readFileSync(Path.join(project, "node_modules/old/package.json"), "utf8")).version,
      "4.2.3"
    )
    const listed = await user.says("list", "--all", "--dir", project)
    assert.include(listed.stdout, "old → width@4.2.3")
    assert.include(listed.stdout, "ui → cliui@8.0.2")
    assert.strictEqual(listed.stderr, "")
    const why = await user.says("why", "width-cjs", "--dir", project)
    assert.include(why.stdout, "the project > cliui@8.0.2 > width-cjs → width@4.2.3")
    assert.include(why.stdout, "the project > old → width@4.2.3")
    const { outdated } = await user.json<{ readonly outdated: ReadonlyArray<object> }>("outdated", "--dir", project)
    assert.deepStrictEqual(outdated, [
      { name: "old", package: "width", range: "npm:width@4", current: "4.2.3", wanted: "4.2.3", latest: "5.1.2" }
    ])
    await user.json("verify", "--dir", project)
    await user.json("update", "old", "--dir", project)
    const { hint } = await user.fails(2, "InvalidSpec", "install", "x@npm:width@4", "--dir", project)
    assert.include(hint, "into package.json")
  })

  it("are installed from the lock file, and run without node_modules, by somebody else", async () => {
    await user.start("seed", "--json").document()
    const other = new Person("other", user.bootstrap)
    const directory = checkOut("frozen")
    await other.json("install", "--frozen", "--dir", directory)
    assert.isTrue(Fs.existsSync(Path.join(directory, "node_modules/cliui/../old/package.json")))
    await other.json("verify", "--dir", directory)
    const bare = checkOut("bare")
    const { code, stderr, stdout } = await LsCli.run([
      "--home",
      other.home,
      "--offline",
      "run",
      Path.join(bare, "main.cjs")
    ])
    assert.strictEqual(code, 0, stderr)
    assert.strictEqual(stdout.trim(), "8.0.2 4.2.3")
  })

  it("are in a bundle, and installed from it where there is no network", async () => {
    for (const flags of [["--lock"], []]) {
      await user.json("bundle", ...flags, "--dir", project, "-o", bundle)
      const stranger = new Person("stranger", NOBODY)
      const directory = checkOut("offline")
      if (flags.length === 0) Fs.rmSync(Path.join(directory, "libreseed.lock.json"))
      await stranger.json("install", "--offline", "--bundle", bundle, "--dir", directory)
      assert.strictEqual(
        JSON.parse(Fs.readFileSync(Path.join(directory, "node_modules/old/package.json"), "utf8")).version,
        "4.2.3"
      )
    }
  })

  it("are taken away by their names", async () => {
    await user.json("uninstall", "old", "--dir", project)
    assert.isFalse(Fs.existsSync(Path.join(project, "node_modules/old")))
    assert.notInclude(Fs.readFileSync(Path.join(project, "package.json"), "utf8"), "npm:")
  })
})
