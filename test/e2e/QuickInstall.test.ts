/** An install of what the store has, which is done before the program is loaded: as the program would do it. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, assert, beforeAll, describe } from "@effect/vitest"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Staging from "../../src/runtime/install/Staging.ts"
import * as FileLock from "../../src/runtime/store/FileLock.ts"
import * as FileTrustBook from "../../src/runtime/store/FileTrustBook.ts"
import { tree } from "../runtime/install/Packages.ts"
import { test } from "../runtime/install/Project.ts"
import { install, publish, writeProject } from "../runtime/install/Registry.ts"
import * as LsCli from "./Commands.ts"

const NOBODY = "127.0.0.1:1"

/** A flag that changes nothing here and is the program's to understand. */
const BY_PROGRAM = "--no-daemon"

const prepared = Effect.fnUntraced(function* (root: string, project: string) {
  yield* publish(
    root,
    { json: { name: "leaf", version: "1.0.0" } },
    { json: { name: "top", version: "1.0.0", dependencies: { leaf: "1" }, bin: "index.js" } }
  )
  writeProject(project, { dependencies: { top: "^1.0.0" } })
  yield* install(project).pipe(Effect.provide(FileTrustBook.layer))
})

/** The project once more, with nothing installed. */
const again = (project: string, at: string): string => {
  Fs.mkdirSync(at)
  for (const name of ["package.json", "libreseed.lock.json"]) {
    Fs.copyFileSync(Path.join(project, name), Path.join(at, name))
  }
  return at
}

const argsOf = (root: string, project: string): ReadonlyArray<string> => [
  "install",
  "--frozen",
  "--dir",
  project,
  "--home",
  root,
  "--bootstrap",
  NOBODY
]

const run = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}) =>
  Effect.promise(() => LsCli.run(args, environment))

/** Both ways, each in a project of its own that `spoil` was done to; paths are told without the project's. */
const bothWays = Effect.fnUntraced(function* (
  root: string,
  project: string,
  flags: ReadonlyArray<string>,
  spoil: (at: string) => void = () => {}
) {
  const one = Effect.fnUntraced(function* (name: string, more: ReadonlyArray<string>) {
    const at = again(project, Path.join(root, name))
    spoil(at)
    const ended = yield* run([...argsOf(root, at), ...flags, ...more])
    const plain = (text: string) => text.replaceAll(at, "<project>")
    return { at, told: { ...ended, stdout: plain(ended.stdout), stderr: plain(ended.stderr) } }
  })
  return { quick: yield* one("quick", []), slow: yield* one("slow", [BY_PROGRAM]) }
})

describe("a quick install", { timeout: 60_000 }, () => {
  // Builds it where it is not current.
  beforeAll(() => LsCli.start(["--version"]).ended)
  afterAll(LsCli.cleanUp)

  for (const flags of [[], ["--json"], ["--production"]]) {
    test(`does and tells what the program does: ${flags.join(" ")}`, ({ project, root }) =>
      Effect.gen(function* () {
        yield* prepared(root, project)
        const { quick, slow } = yield* bothWays(root, project, flags)
        assert.deepStrictEqual(quick.told, slow.told)
        assert.strictEqual(quick.told.code, 0, quick.told.stderr)
        assert.deepStrictEqual(tree(quick.at), tree(slow.at))
      }))

    test(`fails as the program fails: ${flags.join(" ")}`, ({ project, root }) =>
      Effect.gen(function* () {
        yield* prepared(root, project)
        const { quick, slow } = yield* bothWays(root, project, flags, (at) =>
          Fs.mkdirSync(Path.join(at, "node_modules/top/src"), { recursive: true })
        )
        assert.deepStrictEqual(quick.told, slow.told)
        assert.notStrictEqual(quick.told.code, 0)
        assert.include(quick.told.stderr, "a directory without the package.json of a package")
      }))
  }

  test("loads neither the program nor what parses its flags", ({ project, root }) =>
    Effect.gen(function* () {
      yield* prepared(root, project)
      const loaded = Path.join(root, "loaded")
      const hook = Path.join(root, "hook.cjs")
      Fs.writeFileSync(
        hook,
        `const { appendFileSync } = require("node:fs")
        require("node:module").registerHooks({
          load: (url, context, next) => {
            appendFileSync(${JSON.stringify(loaded)}, url + "\\n")
            return next(url, context)
          }
        })`
      )
      const at = again(project, Path.join(root, "again"))
      const ended = yield* run(argsOf(root, at), { NODE_OPTIONS: `--require ${hook}` })
      assert.strictEqual(ended.code, 0, ended.stderr)
      const names = [...Fs.readFileSync(loaded, "utf8").matchAll(/\/([a-z]+)-[\w-]+\.js$/gm)].map(([, name]) => name)
      assert.include(names, "warm")
      assert.notInclude(names, "program")
    }))

  test("leaves to the program what the store has not", ({ project, root }) =>
    Effect.gen(function* () {
      yield* prepared(root, project)
      Fs.rmSync(Path.join(root, "files"), { recursive: true })
      const at = again(project, Path.join(root, "again"))
      const ended = yield* run([...argsOf(root, at), "--offline"])
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.deepStrictEqual(tree(at), tree(project))
    }))

  test("waits for another install, as long as it may", ({ project, root }) =>
    Effect.gen(function* () {
      yield* prepared(root, project)
      const at = again(project, Path.join(root, "again"))
      Fs.mkdirSync(Path.join(at, "node_modules"))
      yield* FileLock.hold(Path.join(at, "node_modules", Staging.LOCK))
      const late = yield* run([...argsOf(root, at), "--timeout", "1", "--json"])
      assert.strictEqual(LsCli.failure(late).code, "DeadlineExceeded")
      const waiting = LsCli.startProgram(argsOf(root, at))
      const timer = setTimeout(() => void waiting.stop(), 1_000)
      const stopped = yield* Effect.promise(() => waiting.ended)
      clearTimeout(timer)
      assert.strictEqual(stopped.code, 130)
      assert.include(stopped.stderr, "Interrupted before the work was done")
      assert.isFalse(Fs.existsSync(Path.join(at, "node_modules/.libreseed")))
    }).pipe(Effect.provide(NodeCrypto.layerSecureRandom)))
})
