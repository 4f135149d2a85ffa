import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Lookup from "../../../src/runtime/modules/Lookup.ts"
import { ModuleError } from "../../../src/runtime/modules/ModuleError.ts"
import * as UnpackedIndex from "../../../src/runtime/store/UnpackedIndex.ts"
import * as Fixture from "./Fixture.ts"
import * as Sample from "./Sample.ts"

const fixture = Sample.make({ "src/app.js": "", "node_modules/installed/index.js": "" })
afterAll(() => Fixture.remove(fixture))

const lookup = Lookup.open(fixture)
const app = fixture.file("src/app.js")
const inside = (id: string, path: string) => Path.join(fixture.directoryOf(id), path)

const failureOf = (work: () => unknown): ModuleError => {
  try {
    work()
  } catch (error) {
    if (error instanceof ModuleError) return error
    throw error
  }
  throw new Error("it did not fail")
}

describe("a file of the project", () => {
  it("sees what the lock says that the project sees", () => {
    assert.strictEqual(lookup.lookup("plain", app), inside("plain@1.0.0", "lib/index.js"))
    assert.strictEqual(lookup.lookup("plain/data.json", app), inside("plain@1.0.0", "data.json"))
    assert.strictEqual(lookup.lookup("dual", app), inside("dual@1.0.0", "module.js"))
    assert.strictEqual(lookup.lookup("dual/files/a.js", app), inside("dual@1.0.0", "files/a.js"))
    assert.strictEqual(lookup.lookup("@scope/scoped", app), inside("@scope/scoped@1.0.0", "node.js"))
  })

  it("sees nothing else: not what its dependencies see, and no path", () => {
    for (const specifier of [
      "mid",
      "peer",
      "absent",
      "./plain",
      "/plain",
      "node:fs",
      "fs",
      "",
      ".",
      "..",
      "@scope",
      "a\0b"
    ]) {
      assert.isUndefined(lookup.lookup(specifier, app), specifier)
    }
  })

  it("reaches the packages of the lock through the imports of package.json", () => {
    assert.strictEqual(lookup.lookup("#dual", app), inside("dual@1.0.0", "module.js"))
    assert.strictEqual(lookup.lookup("#own", app), fixture.file("own.cjs"))
  })

  it("is told what a package does not export", () => {
    const failure = failureOf(() => lookup.lookup("dual/files/private/b.js", app))
    assert.strictEqual(failure.code, "ERR_PACKAGE_PATH_NOT_EXPORTED")
    assert.include(failure.message, "dual@1.0.0")
  })
})

describe("a file of a package", () => {
  const left = inside("left@1.0.0", "index.js")

  it("sees what the lock says that its package sees, and itself", () => {
    assert.strictEqual(lookup.lookup("peer", left), inside("peer@1.0.0", "index.js"))
    assert.strictEqual(lookup.lookup("left", left), left)
    assert.strictEqual(lookup.lookup("dual", inside("dual@1.0.0", "sub.cjs")), inside("dual@1.0.0", "module.js"))
  })

  it("is told that all else is not its dependency, in the words and with the code of Node", () => {
    const failure = failureOf(() => lookup.lookup("plain", left))
    assert.strictEqual(failure.reason, "NotADependency")
    assert.strictEqual(failure.code, "ERR_MODULE_NOT_FOUND")
    assert.match(failure.message, /^Cannot find package 'plain': plain is not a dependency of left@1\.0\.0/)
    assert.isNotEmpty(failure.hint)
  })

  it("does not leave its package by a subpath", () => {
    assert.strictEqual(failureOf(() => lookup.lookup("peer/../../x", left)).code, "ERR_INVALID_MODULE_SPECIFIER")
  })

  it("sees built-ins, which are no business of the lock", () => {
    assert.isUndefined(lookup.lookup("fs", left))
    assert.isUndefined(lookup.lookup("node:fs", left))
  })
})

describe("a release that stands in two places", () => {
  it("has a directory for each, and each sees its own peer", () => {
    const [one, two] = ["left@1.0.0", "right@1.0.0"].map((id) => lookup.lookup("mid", inside(id, "index.js"))!)
    assert.notStrictEqual(one, two)
    assert.strictEqual(lookup.lookup("peer", one!), inside("peer@1.0.0", "index.js"))
    assert.strictEqual(lookup.lookup("peer", two!), inside("peer@2.0.0", "index.js"))
    assert.strictEqual(Fs.realpathSync(two!), two)
    assert.strictEqual(Fs.statSync(one!).ino, Fs.statSync(two!).ino)
  })

  it("is told apart by whoever begins inside of one, such as a thread", () => {
    const second = lookup.lookup("mid", inside("right@1.0.0", "index.js"))!
    assert.strictEqual(Lookup.open(fixture).lookup("peer", second), inside("peer@2.0.0", "index.js"))
  })
})

describe("a file of neither", () => {
  it("is none of the lookup's business", () => {
    for (const file of [
      "/elsewhere/app.js",
      fixture.file("node_modules/installed/index.js"),
      `${fixture.project}-2/app.js`
    ]) {
      assert.isUndefined(lookup.lookup("plain", file), file)
    }
  })
})

describe("a store", () => {
  it("that does not have what is locked is named, with what to do", () => {
    const other = Fixture.make({
      project: {},
      dependencies: ["a@1.0.0"],
      packages: { "a@1.0.0": { files: { "index.js": "" } } }
    })
    Fs.rmSync(other.directoryOf("a@1.0.0"), { recursive: true })
    const failure = failureOf(() => Lookup.open(other).lookup("a", other.file("app.js")))
    assert.strictEqual(failure.reason, "NotInStore")
    assert.include(failure.message, "a@1.0.0")
    assert.include(failure.hint, "ls-cli run")
    Fixture.remove(other)
  })

  it("is believed, not the lock, about which files are those of a release", () => {
    const other = Fixture.make({
      project: {},
      dependencies: ["a@1.0.0"],
      packages: { "a@1.0.0": { files: { "index.js": "" } }, "evil@1.0.0": { files: { "index.js": "'evil'" } } }
    })
    const lock = JSON.parse(Fs.readFileSync(other.lock, "utf8"))
    const evil = Path.basename(other.directoryOf("evil@1.0.0"))
    lock.packages["a@1.0.0"].contentHash = evil
    Fs.writeFileSync(other.lock, JSON.stringify(lock))
    assert.strictEqual(failureOf(() => Lookup.open(other).lookup("a", other.file("app.js"))).reason, "NotInStore")
    lock.packages["a@1.0.0"].contentHash = Path.basename(other.directoryOf("a@1.0.0"))
    Fs.writeFileSync(other.lock, JSON.stringify(lock))
    assert.strictEqual(
      Lookup.open(other).lookup("a", other.file("app.js")),
      Path.join(other.directoryOf("a@1.0.0"), "index.js")
    )
    Fixture.remove(other)
  })

  it("is not led astray by a main that leaves its package", () => {
    const other = Fixture.make({
      project: {},
      dependencies: ["a@1.0.0", "b@1.0.0"],
      packages: {
        "a@1.0.0": { files: { "package.json": { main: "../../../../etc/passwd" } } },
        "b@1.0.0": { files: { "package.json": { main: "/etc/passwd" } } }
      }
    })
    for (const name of ["a", "b"]) {
      const failure = failureOf(() => Lookup.open(other).lookup(name, other.file("app.js")))
      assert.strictEqual(failure.code, "ERR_INVALID_PACKAGE_TARGET", name)
    }
    Fixture.remove(other)
  })

  it("names the index of a release as its maker does", () => {
    const name = Fs.readdirSync(Path.join(fixture.home, "files")).find((each) => each.length > 64)
    assert.isTrue(name?.endsWith(UnpackedIndex.EXTENSION))
    assert.strictEqual(lookup.lookup("plain", app), inside("plain@1.0.0", "lib/index.js"))
  })
})

describe("a command", () => {
  it("is found in what the project depends on, and is a file of its package", () => {
    assert.strictEqual(lookup.command("a-tool"), inside("tool@1.0.0", "bin.js"))
    assert.isUndefined(lookup.command("escape"))
    assert.isUndefined(lookup.command("absent"))
  })
})
