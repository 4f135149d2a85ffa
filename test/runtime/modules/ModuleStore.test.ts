import * as Fs from "node:fs"
import * as Path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as LockedModules from "../../../src/runtime/modules/LockedModules.ts"
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
