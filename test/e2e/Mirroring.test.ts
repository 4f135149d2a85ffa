import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as NpmRegistry from "../../scripts/NpmRegistry.ts"
import { offer } from "../runtime/mirror/Registries.ts"
import * as LsCli from "./Commands.ts"
import { Person, testnet } from "./Person.ts"

interface MirrorDocument {
  readonly publisher: string
  readonly mirrored: ReadonlyArray<{ readonly name: string; readonly version: string; readonly state: string }>
  readonly failed: ReadonlyArray<{ readonly name: string; readonly problem: string }>
}

const OFFERED = [
  offer("leaf", "1.4.0"),
  offer("tree", "2.0.0", { dependencies: { leaf: "^1" } }),
  offer("forest", "1.0.0", { dependencies: { tree: "2", broken: "*" } }),
  offer("broken", "1.0.0")
]

/** The mirror as a user has it: a registry on loopback, a network, and two commands. */
describe("mirroring", { timeout: 60_000 }, () => {
  const scope = Effect.runSync(Scope.make())
  let registry: NpmRegistry.NpmRegistry
  let user: Person

  beforeAll(async () => {
    registry = await Effect.runPromise(
      Scope.provide(
        NpmRegistry.make(OFFERED, {
          signer: NpmRegistry.makeSigner(),
          intercept: (path, _, response) => {
            if (!path.endsWith("broken-1.0.0.tgz")) return false
            response.end("not what it was")
            return true
          }
        }),
        scope
      )
    )
    user = new Person("mirrorer", await testnet())
    await user.newKey()
  })

  afterAll(async () => {
    await LsCli.cleanUp()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  const mirror = (...args: ReadonlyArray<string>) =>
    user.json<MirrorDocument>("mirror", ...args, "--registry", registry.url, "--rate", "500")

  it("publishes a package with its dependencies, for others to resolve, and says first what it would do", async () => {
    const planned = await user.json<{ readonly packages: ReadonlyArray<object>; readonly totalBytes: number }>(
      "mirror",
      "tree",
      "--dry-run",
      "--registry",
      registry.url
    )
    assert.deepStrictEqual(
      planned.packages.map((each) => Object(each).name),
      ["tree", "leaf"]
    )
    assert.strictEqual(planned.totalBytes, OFFERED[0]!.tarball.length + OFFERED[1]!.tarball.length)
    await user.fails(3, "NameNotFound", "resolve", "tree")

    const { failed, mirrored, publisher } = await mirror("tree")
    assert.deepStrictEqual(failed, [])
    assert.deepStrictEqual(mirrored.map(({ name, state }) => `${name} ${state}`).toSorted(), [
      "leaf published",
      "tree published"
    ])
    assert.deepInclude(await user.resolve("leaf@^1"), { name: "leaf", version: "1.4.0", publisher })
    const again = await mirror("tree")
    assert.isTrue(again.mirrored.every(({ state }) => state === "unchanged"))
    assert.match([...registry.userAgents].join(), /^ls-cli\/\d/)
  })

  it("publishes what can be, and fails for what cannot", async () => {
    const ended = await user.run("mirror", "forest", "--registry", registry.url, "--rate", "500", "--json")
    assert.strictEqual(ended.code, 4, ended.stderr)
    assert.deepInclude(LsCli.failure(ended), { code: "MirrorIncomplete" })
    assert.match(LsCli.failure(ended).message, /^1 of 4 .*broken@1\.0\.0/)
    const { failed, mirrored }: MirrorDocument = JSON.parse(ended.stdout)
    assert.deepStrictEqual([mirrored.length, failed.map(({ name }) => name)], [3, ["broken"]])
    assert.strictEqual((await user.resolve("forest")).version, "1.0.0")
    await user.fails(2, "InvalidArgument", "mirror", "forest@file:../forest", "--registry", registry.url)
    await user.fails(3, "NotInRegistry", "mirror", "nowhere", "--registry", registry.url)
    await user.fails(2, "InvalidRegistry", "mirror", "tree", "--registry", "ftp://registry")
  })
})
