import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as LockedModules from "../../../src/runtime/modules/LockedModules.ts"
import * as MissingReleases from "../../../src/runtime/modules/MissingReleases.ts"
import * as ModuleStore from "../../../src/runtime/modules/ModuleStore.ts"
import * as Fixture from "./Fixture.ts"
import * as Sample from "./Sample.ts"

const fixture = Sample.make({})
afterAll(() => Fixture.remove(fixture))

const { instances } = LockedModules.read(fixture.lock)
const plain = instances.get("plain@1.0.0")!
const second = instances.get("mid@1.0.0(peer@2.0.0)")!
const modules = Path.join(fixture.home, "modules")
const linkOf = (id: string) =>
  Path.join(modules, fixture.integrityOf(id).slice(7, -2).replaceAll("/", "_").replaceAll("+", "-"))

describe("ModuleStore", () => {
  it("finds a release once in the indices, and by a link from then on", () => {
    assert.strictEqual(ModuleStore.open(fixture.home).directoryOf(plain), fixture.directoryOf("plain@1.0.0"))
    assert.strictEqual(
      Fs.readlinkSync(linkOf("plain@1.0.0")),
      Path.join("..", "files", Path.basename(fixture.directoryOf("plain@1.0.0")))
    )
    const index = `${fixture.directoryOf("plain@1.0.0")}.json`
    Fs.renameSync(index, `${index}.away`)
    assert.strictEqual(ModuleStore.open(fixture.home).directoryOf(plain), fixture.directoryOf("plain@1.0.0"))
    Fs.renameSync(`${index}.away`, index)
  })

  it("follows no link out of the store, and makes it anew", () => {
    for (const target of ["/etc", "../../elsewhere", `../files/../../${"a".repeat(64)}`, `/files/${"a".repeat(64)}`]) {
      Fs.rmSync(linkOf("plain@1.0.0"), { force: true })
      Fs.symlinkSync(target, linkOf("plain@1.0.0"))
      assert.strictEqual(ModuleStore.open(fixture.home).directoryOf(plain), fixture.directoryOf("plain@1.0.0"), target)
      assert.match(Fs.readlinkSync(linkOf("plain@1.0.0")), /^\.\.\/files\/[0-9a-f]{64}$/)
    }
  })

  it("has a further place of a release made once, whole, by whoever comes first", () => {
    const stores = [ModuleStore.open(fixture.home), ModuleStore.open(fixture.home)]
    const [one, two] = stores.map((store) => store.directoryOf(second))
    assert.strictEqual(one, two)
    assert.strictEqual(Path.dirname(one!), modules)
    assert.deepStrictEqual(Fs.readdirSync(one!), ["index.js", "package.json"])
    assert.deepStrictEqual(
      Fs.readdirSync(modules).filter((name) => name.includes(`.${process.pid}.`)),
      []
    )
  })

  it("copies the files where there are no hard links, and finds the copies unchanged from then on", () => {
    for (const code of ["EPERM", "EXDEV", "EMLINK"]) {
      const place = `${linkOf("mid@1.0.0(peer@2.0.0)")}.${second.copy}`
      Fs.rmSync(place, { recursive: true, force: true })
      const linkless = ModuleStore.open(fixture.home, () => {
        throw Object.assign(new Error(code), { code })
      })
      assert.strictEqual(linkless.directoryOf(second), place)
      const original = Fs.statSync(Path.join(fixture.directoryOf("mid@1.0.0(peer@2.0.0)"), "index.js"))
      const copied = Fs.statSync(Path.join(place, "index.js"))
      assert.deepStrictEqual([copied.size, copied.mode, copied.nlink], [original.size, original.mode, 1])
      assert.notInclude(MissingReleases.missing(fixture.home, LockedModules.read(fixture.lock)), second.id)
      assert.strictEqual(Fs.statSync(Path.join(place, "index.js")).ino, copied.ino, "it was not made anew")
    }
  })

  it("makes a copy anew that somebody wrote to", () => {
    const place = ModuleStore.open(fixture.home).directoryOf(second)!
    const file = Path.join(place, "index.js")
    const text = Fs.readFileSync(file, "utf8")
    Fs.writeFileSync(file, `${text} // more`)
    assert.notInclude(MissingReleases.missing(fixture.home, LockedModules.read(fixture.lock)), second.id)
    assert.strictEqual(Fs.readFileSync(file, "utf8"), text)
  })

  it("knows which package a path is in", () => {
    const store = ModuleStore.open(fixture.home)
    const directory = fixture.directoryOf("plain@1.0.0")
    assert.strictEqual(store.packageOf(Path.join(directory, "lib/index.js")), directory)
    assert.strictEqual(store.packageOf(directory), directory)
    assert.isUndefined(store.packageOf(Path.join(fixture.home, "files")))
    assert.isUndefined(store.packageOf(fixture.file("app.js")))
  })

  it("is reached by its real path, however it was named", () => {
    const link = Path.join(Path.dirname(fixture.home), "link")
    Fs.symlinkSync(fixture.home, link)
    assert.strictEqual(ModuleStore.open(link).directoryOf(plain), fixture.directoryOf("plain@1.0.0"))
  })

  it("has nothing where it is not there, and needs not be written to", () => {
    assert.isUndefined(ModuleStore.open("/nonexistent/home").directoryOf(plain))
    Fs.rmSync(modules, { recursive: true })
    Fs.writeFileSync(modules, "no directory")
    assert.strictEqual(ModuleStore.open(fixture.home).directoryOf(plain), fixture.directoryOf("plain@1.0.0"))
  })
})
