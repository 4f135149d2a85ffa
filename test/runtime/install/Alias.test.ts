import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { explain } from "../../../src/protocol/core/Errors.ts"
import * as InstalledState from "../../../src/runtime/install/InstalledState.ts"
import * as VerifyTree from "../../../src/runtime/install/VerifyTree.ts"
import * as WarmTree from "../../../src/runtime/install/WarmTree.ts"
import * as FileTrustBook from "../../../src/runtime/store/FileTrustBook.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import { test } from "./Project.ts"
import { install, installOffline, publish, readText, type Source, writeProject } from "./Registry.ts"

const REQUEST = { production: false, engineStrict: false }

const lib = (name: string, version: string, more: object = {}, files: Source["files"] = {}): Source => ({
  json: { name, version, ...more },
  files: { "index.js": `module.exports = "${name} ${version}"`, ...files }
})

const all = (...names: ReadonlyArray<string>): Source["files"] => ({
  "index.js": `module.exports = ${JSON.stringify(names)}.map((name) => require(name)).join(", ")`
})

const COMMAND = "#!/usr/bin/env node\nconsole.log(require('./index.js'))\n"

const wishes = {
  dependencies: { app: "1", "@s/app": "npm:width@4", react: "npm:preact@10", dom: "1" },
  libreseed: { allowScripts: ["preact", "width"] }
}

const sources: ReadonlyArray<Source> = [
  lib("width", "4.0.0", { bin: { width: "cli.js" } }, { "cli.js": COMMAND }),
  lib("width", "5.0.0", { dependencies: { width: "npm:@s/real@1" } }, all("width")),
  lib("@s/real", "1.0.0", { dependencies: { "@s/real": "npm:width@4" } }, all("@s/real")),
  lib("preact", "10.0.0"),
  lib("react", "18.0.0"),
  lib("evil", "10.0.0"),
  lib("dom", "1.0.0", { peerDependencies: { react: ">=10" } }, all("react")),
  lib(
    "app",
    "1.0.0",
    { dependencies: { width: "5", "width-cjs": "npm:width@4", scoped: "npm:@s/real@1" } },
    all("width", "width-cjs", "scoped")
  )
]

const PROGRAM = "console.log(['app', '@s/app', 'react', 'dom'].map((name) => require(name)).join('; '))"
const SAID = "width 4.0.0, width 4.0.0, width 4.0.0; width 4.0.0; preact 10.0.0; preact 10.0.0"

const said = (project: string): string =>
  execFileSync(process.execPath, ["-e", PROGRAM], { cwd: project, encoding: "utf8" }).trim()

interface Draft {
  wishes: { dependencies: Record<string, string> }
  project: Record<string, string>
  packages: Record<string, { dependencies: Record<string, string> }>
  answers: Record<string, string>
}

const checkOut = (project: string, at: string, edit: (draft: Draft) => void = () => undefined): string => {
  Fs.mkdirSync(at)
  Fs.copyFileSync(Path.join(project, "package.json"), Path.join(at, "package.json"))
  const draft: Draft = JSON.parse(readText(project, "libreseed.lock.json"))
  edit(draft)
  Fs.writeFileSync(Path.join(at, "libreseed.lock.json"), `${JSON.stringify(draft, null, 2)}\n`)
  return at
}

describe("an alias", () => {
  test("is installed under its name, by every way to install, and found whole", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, ...sources)
      writeProject(project, wishes)
      yield* install(project).pipe(Effect.provide(FileTrustBook.layer))
      assert.strictEqual(said(project), SAID)
      assert.deepStrictEqual((yield* VerifyTree.verify(project))?.problems, [])
      assert.isDefined(InstalledState.current(project, REQUEST))
      const at = Path.join(project, "node_modules")
      assert.match(
        Fs.readlinkSync(Path.join(at, "@s/app")),
        /width@4\.0\.0-[0-9a-f]{16}[\\/]node_modules[\\/]width[\\/]?$/
      )
      if (process.platform !== "win32") {
        assert.strictEqual(Fs.readlinkSync(Path.join(at, ".bin/width")), "../@s/app/cli.js")
        assert.strictEqual(execFileSync(Path.join(at, ".bin/width"), { encoding: "utf8" }).trim(), "width 4.0.0")
        const inner = Path.join(Fs.realpathSync(Path.join(at, "app")), "../.bin/width")
        assert.strictEqual(Fs.readlinkSync(inner), "../width-cjs/cli.js")
      }
      // What is in place is not made again, and comes back where it is gone.
      const again = checkOut(project, Path.join(root, "again"))
      assert.strictEqual((yield* installOffline(again, { frozen: true })).packages, 6)
      const warm = checkOut(project, Path.join(root, "warm"))
      assert.strictEqual((yield* WarmTree.install(warm, yield* Home, REQUEST))?.packages, 6)
      for (const each of [again, warm]) assert.strictEqual(said(each), SAID)
      Fs.rmSync(Path.join(Fs.realpathSync(Path.join(warm, "node_modules/app")), "../width-cjs"))
      Fs.rmSync(Path.join(warm, "node_modules/react"))
      const problems = (yield* VerifyTree.verify(warm))!.problems.map(({ path }) => Path.basename(path))
      assert.includeMembers(problems, ["width-cjs", "react"])
      assert.isUndefined(InstalledState.current(warm, REQUEST))
      yield* WarmTree.install(warm, yield* Home, REQUEST)
      assert.strictEqual(said(warm), SAID)
      yield* install(warm, { update: new Set(["@s/app"]) })
      yield* install(warm, { remove: ["@s/app"] })
      assert.isFalse(Fs.existsSync(Path.join(warm, "node_modules/@s/app")))
      // Nothing else of the project leads to width: whoever publishes it next was not meant.
      assert.deepStrictEqual(JSON.parse(readText(warm, "package.json")).libreseed, { allowScripts: ["preact"] })
    }))

  const forged: ReadonlyArray<readonly [string, (draft: Draft) => void, string]> = [
    [
      "the project did not ask for",
      (draft) => {
        draft.project["app"] = "evil@10.0.0"
        draft.answers["app@npm:evil@10"] = "evil@10.0.0"
      },
      "the project asks for app@1, and has evil@10.0.0"
    ],
    [
      "the project asked for otherwise",
      (draft) => {
        draft.project["react"] = "evil@10.0.0"
        draft.answers["react@npm:evil@10"] = "evil@10.0.0"
      },
      "the project asks for react@npm:preact@10, and has evil@10.0.0"
    ],
    [
      "a package did not sign",
      (draft) => {
        draft.packages["app@1.0.0"]!.dependencies["width-cjs"] = "evil@10.0.0"
        draft.answers["width-cjs@npm:evil@10"] = "evil@10.0.0"
      },
      "app@1.0.0 depends on width-cjs@npm:width@4, and is locked to evil@10.0.0"
    ],
    [
      "nobody brings for a peer",
      (draft) => {
        draft.packages["dom@1.0.0(react@npm:preact@10.0.0)"]!.dependencies["react"] = "evil@10.0.0"
        draft.answers["react@npm:evil@10"] = "evil@10.0.0"
      },
      "dom@1.0.0 depends on react@>=10, and is locked to evil@10.0.0"
    ],
    [
      "another package brings under another name",
      (draft) => {
        draft.packages["dom@1.0.0(react@npm:preact@10.0.0)"]!.dependencies["react"] = "width@4.0.0"
        draft.answers["react@npm:width@4"] = "width@4.0.0"
      },
      "dom@1.0.0 depends on react@>=10, and is locked to width@4.0.0"
    ],
    [
      "nothing asks the project to have",
      (draft) => {
        draft.project["more"] = "evil@10.0.0"
        draft.answers["more@npm:evil@10"] = "evil@10.0.0"
      },
      "the project has evil@10.0.0 under the name more, for which nothing asks"
    ],
    [
      "no answer knows of",
      (draft) => void (draft.project["react"] = "evil@10.0.0"),
      "the project sees evil@10.0.0 under the name react"
    ],
    [
      "an answer has for another package",
      (draft) => void (draft.answers["react@npm:preact@10"] = "evil@10.0.0"),
      "react@npm:preact@10 is answered by evil@10.0.0, another package"
    ]
  ]
  test("that a forged lock brings is refused by every way to install", ({ project, root }) =>
    Effect.gen(function* () {
      yield* publish(root, ...sources)
      const other = Path.join(root, "evil")
      Fs.mkdirSync(other)
      writeProject(other, { dependencies: { evil: "10" } })
      yield* install(other).pipe(Effect.provide(FileTrustBook.layer))
      const evil: Draft = JSON.parse(readText(other, "libreseed.lock.json"))
      writeProject(project, wishes)
      yield* install(project).pipe(Effect.provide(FileTrustBook.layer))
      for (const [at, [title, edit, problem]] of forged.entries()) {
        const victim = checkOut(project, Path.join(root, `victim-${at}`), (draft) => {
          Object.assign(draft.packages, evil.packages)
          edit(draft)
        })
        assert.isUndefined(yield* WarmTree.install(victim, yield* Home, REQUEST), title)
        for (const frozen of [true, false]) {
          const error = explain(yield* Effect.flip(install(victim, { frozen })))
          assert.strictEqual(error?._tag, "InvalidLockFile", title)
          assert.include(error?.message, problem)
        }
        assert.isFalse(Fs.existsSync(Path.join(victim, "node_modules")), title)
      }
    }))
})
