import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { createRequire } from "node:module"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { afterAll, assert, describe, it } from "vitest"
import * as DependencyTree from "../src/protocol/registry/DependencyTree.ts"
import * as LockFile from "../src/protocol/registry/LockFile.ts"
import * as ApplyTree from "../src/runtime/install/ApplyTree.ts"
import * as InstalledState from "../src/runtime/install/InstalledState.ts"
import * as JsonText from "../src/runtime/install/JsonText.ts"
import * as PackageFacts from "../src/runtime/store/PackageFacts.ts"
import * as UnpackedIndex from "../src/runtime/store/UnpackedIndex.ts"
import { type Packages, source, split, type Wishes } from "../test/protocol/registry/Dependencies.ts"
import * as TemporaryHome from "../test/runtime/TemporaryHome.ts"
import { runs, runsUpTo } from "./Runs.ts"

const names = ["a", "b", "c", "@s/d", "@s/e"]
const texts = fc.dictionary(fc.constantFrom(...names), fc.constantFrom("*", "1.x", "2.x"), {
  maxKeys: 3,
  noNullPrototype: true
})
const none = fc.constant<Record<string, string>>({})
const wishes: fc.Arbitrary<Wishes> = fc.record({
  dependencies: texts,
  optionalDependencies: fc.oneof(none, texts),
  peerDependencies: fc.oneof(none, texts)
})
const ids = names.flatMap((name) => [`${name}@1.0.0`, `${name}@2.0.0`])
const registry: fc.Arbitrary<Packages> = fc
  .tuple(...ids.map((id) => wishes.map((each) => [id, each] as const)))
  .map((entries) => Object.fromEntries(entries))

const root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-layout-"))
afterAll(() => Fs.rmSync(root, { recursive: true, force: true }))

/** Unpacked releases, made once: what a package depends on does not stand in its files here. */
const unpacked = new Map(
  ids.map((id) => {
    const [name, version] = split(id)
    const directory = Path.join(root, "files", id.replace("/", "+"))
    Fs.mkdirSync(directory, { recursive: true })
    const text = JSON.stringify({ name, version, main: "index.js" })
    Fs.writeFileSync(Path.join(directory, "package.json"), text)
    Fs.writeFileSync(Path.join(directory, "index.js"), "module.exports = require('./package.json')")
    const paths = ["index.js", "package.json"]
    const facts = PackageFacts.parse(new TextEncoder().encode(text), { name, version }, paths)
    const index = UnpackedIndex.make([], facts, UnpackedIndex.look(directory, paths))
    return [id, { contentHash: id, source: directory, index }] as const
  })
)

const treeOf = (lock: LockFile.LockFile): ApplyTree.Tree => ({
  packages: new Map(
    Object.entries(lock.packages).map(([id, { dependencies, name, version }]) => [
      id,
      {
        ...unpacked.get(`${name}@${version}`)!,
        name,
        version,
        publisher: "",
        integrity: "",
        dependencies: new Map(Object.entries(dependencies)),
        isOptional: false
      }
    ])
  ),
  project: new Map(Object.entries(lock.project)),
  lock: "",
  wishes: "",
  request: ""
})

/** Where Node looks for `name` from inside of a directory, and what is there; without what Node remembers of earlier looks. */
const found = (directory: string, name: string): string | undefined => {
  const paths = createRequire(Path.join(directory, "x.js")).resolve.paths(name) ?? []
  const first = paths
    .map((path) => Path.join(path, name))
    .find((path) => Fs.existsSync(Path.join(path, "package.json")))
  return first === undefined ? undefined : Fs.realpathSync(first)
}

describe("a project's node_modules", () => {
  it("has for every instance, in Node's own eyes, exactly what the lock says that it sees, whatever was there before", async () => {
    let at = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(registry, wishes), { minLength: 1, maxLength: 3 }), async (steps) => {
        const project = Path.join(root, `project-${at++}`)
        Fs.mkdirSync(Path.join(project, "node_modules"), { recursive: true })
        for (const [packages, asked] of steps) {
          const resolved = await Effect.runPromise(Effect.option(DependencyTree.resolveTree(asked, source(packages))))
          if (resolved._tag === "None") continue
          const lock = LockFile.make(asked, resolved.value)
          const { state } = await ApplyTree.apply(project, treeOf(lock), new Set(), Effect.void).pipe(
            Effect.provide(TemporaryHome.platform),
            Effect.runPromise
          )
          const modules = InstalledState.modulesOf(project)
          const placeOf = new Map(
            Object.entries(state.packages).map(([directory, { id, name }]) => [
              id,
              Fs.realpathSync(InstalledState.packageDirectory(modules, directory, name))
            ])
          )
          assert.sameMembers([...placeOf.keys()], Object.keys(lock.packages))
          for (const [id, { dependencies, name }] of Object.entries(lock.packages)) {
            for (const other of names) {
              const target = new Map(Object.entries(dependencies)).get(other)
              // A package without a dependency of its own name finds itself.
              const expected =
                target === undefined ? (other === name ? placeOf.get(id) : undefined) : placeOf.get(target)
              const visible = new Map(Object.entries(lock.project)).get(other)
              // What the project sees lies above everything, as it does for npm: it is found where nothing nearer is.
              assert.strictEqual(
                found(placeOf.get(id)!, other),
                expected ?? (visible === undefined ? undefined : placeOf.get(visible))
              )
            }
          }
          for (const name of names) {
            const visible = new Map(Object.entries(lock.project)).get(name)
            assert.strictEqual(found(project, name), visible === undefined ? undefined : placeOf.get(visible))
          }
        }
      }),
      runsUpTo(10)
    )
  })
})

const key = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 6 })
const section = fc.dictionary(key, fc.string(), { maxKeys: 5, noNullPrototype: true })
const document = fc
  .record({
    name: fc.string(),
    deps: fc.oneof(section, fc.constant({})),
    list: fc.array(fc.jsonValue({ maxDepth: 2 })),
    last: fc.jsonValue({ maxDepth: 2 })
  })
  .map((value): typeof value => JSON.parse(JSON.stringify(value)))
const layout = fc.tuple(fc.constantFrom(0, 1, 2, 4, "\t"), fc.constantFrom("\n", "\r\n"), fc.constantFrom("", "\n"))

const write = (value: unknown, [indent, newline, end]: readonly [number | string, string, string]): string =>
  JSON.stringify(value, null, indent).replaceAll("\n", newline) + end

describe("a member of a JSON text", () => {
  it("that is set is the only thing that changes, however the text is laid out", () => {
    fc.assert(
      fc.property(document, layout, key, fc.string(), fc.boolean(), (value, style, name, text, sorted) => {
        fc.pre(name !== "__proto__")
        const before = write(value, style)
        const after = JsonText.set(before, "deps", name, text, { sorted })
        assert.deepStrictEqual(JSON.parse(after), { ...value, deps: { ...value.deps, [name]: text } })
        assert.strictEqual(JsonText.set(after, "deps", name, text, { sorted }), after)
      }),
      runs
    )
  })

  it("that is set and removed again leaves the very text that was there", () => {
    fc.assert(
      fc.property(document, layout, key, fc.string(), (value, style, name, text) => {
        fc.pre(name !== "__proto__" && !Object.hasOwn(value.deps, name) && Object.keys(value.deps).length > 0)
        const before = write(value, style)
        assert.strictEqual(JsonText.remove(JsonText.set(before, "deps", name, text), "deps", name), before)
      }),
      runs
    )
  })
})
