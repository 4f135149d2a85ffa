/**
 * What a user gets: the package is packed, installed into an empty directory, and used from there by Node, by the
 * TypeScript compiler and from the command line.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { isBuiltin } from "node:module"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { parseSync } from "rolldown/utils"

const root = Path.resolve(import.meta.dirname, "../..")

const manifest: {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
} = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8"))

const plugins = ["vite", "webpack", "esbuild"]

const entries = [
  "@libreseed/protocol",
  "@libreseed/protocol/testing",
  "@libreseed/protocol/node",
  ...plugins.map((name) => `@libreseed/protocol/${name}`)
]

/** What only some commands need, and what would slow the start of all others down. */
const lazyPackages = new Set(["bittorrent-dht", "npm-packlist", "peer-wire-protocol", "tar", "torrent-stream"])

let directory = ""
let tarball = ""
let installed = ""

/** Runs a program to its end and answers what it wrote to stdout; fails with all of its output. */
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): string => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8", input: "" })
  assert.strictEqual(status, 0, `${command} ${args.join(" ")}\n${error ?? ""}${stdout}${stderr}`)
  return stdout
}

const tool = (name: string): string => Path.join(root, "node_modules", ".bin", name)

const filesBelow = (path: string): ReadonlyArray<string> =>
  Fs.readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => Path.join(entry.parentPath, entry.name))

beforeAll(() => {
  directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-package-"))
  run(root, "npm", "pack", "--loglevel=error", "--pack-destination", directory)
  tarball = Path.join(directory, `libreseed-protocol-${manifest.version}.tgz`)
  Fs.writeFileSync(Path.join(directory, "package.json"), '{ "name": "consumer", "private": true, "type": "module" }')
  const types = `@types/node@${manifest.devDependencies["@types/node"]}`
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
  run(directory, "npm", "install", ...quiet, tarball, types)
  installed = Path.join(directory, "node_modules", "@libreseed", "protocol")
})

afterAll(() => {
  Fs.rmSync(directory, { recursive: true, force: true })
})

/** The files that a file of the build loads, and the modules of others, as they are named. */
const loadedBy = (entry: string): ReadonlySet<string> => {
  const loaded = new Set<string>()
  const visit = (file: string): void => {
    if (loaded.has(file)) return
    loaded.add(file)
    const { module } = parseSync(file, Fs.readFileSync(file, "utf8"), { lang: "js" })
    for (const { moduleRequest } of module.staticImports) {
      if (moduleRequest.value.startsWith(".")) visit(Path.resolve(Path.dirname(file), moduleRequest.value))
      else loaded.add(moduleRequest.value)
    }
    for (const { entries: exported } of module.staticExports) {
      for (const { moduleRequest } of exported) {
        if (moduleRequest?.value.startsWith(".")) visit(Path.resolve(Path.dirname(file), moduleRequest.value))
      }
    }
  }
  visit(entry)
  return loaded
}

describe("the packed package", () => {
  it("contains the build, the licence and nothing else", () => {
    const names = filesBelow(installed).map((path) => Path.relative(installed, path).replaceAll("\\", "/"))
    const expected = /^(package\.json|README\.md|LICENSE|dist\/.*(\.js|\.d\.ts|LICENSES\.txt)|dist\/register\.cjs)$/
    assert.deepStrictEqual(
      names.filter((name) => !expected.test(name)),
      []
    )
    assert.include(names, "LICENSE")
  })

  it("pins every dependency to one version", () => {
    const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies })
    assert.deepStrictEqual(
      versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version)),
      []
    )
  })

  it("brings neither redis nor any tool into a user's install", () => {
    const names = Fs.readdirSync(Path.join(directory, "node_modules"))
    assert.deepStrictEqual(
      names.filter((name) => ["redis", "@redis", "@effect", "rolldown", "vitest", "node"].includes(name)),
      []
    )
  })

  it.each(entries)("loads %s", (entry) => {
    const program = `console.log(Object.keys(await import(${JSON.stringify(entry)})).length)`
    assert.isAbove(Number(run(directory, process.execPath, "--input-type=module", "-e", program)), 0)
  })

  it.each([
    ["NodeNext", "NodeNext"],
    ["ESNext", "bundler"]
  ])("gives its types to a consumer with module %s, resolution %s", (module, moduleResolution) => {
    const imports = entries.map((entry, index) => `import * as Entry${index} from ${JSON.stringify(entry)}`)
    const known = entries.map((_, index) => `export const known${index}: IsAny<typeof Entry${index}> = false`)
    const program = ["type IsAny<T> = 0 extends 1 & T ? true : false", ...imports, ...known].join("\n")
    Fs.writeFileSync(Path.join(directory, "consumer.ts"), program)
    const compilerOptions = { module, moduleResolution, target: "ES2024", strict: true, noEmit: true, types: ["node"] }
    const config = { compilerOptions: { ...compilerOptions, skipLibCheck: false }, files: ["consumer.ts"] }
    Fs.writeFileSync(Path.join(directory, "tsconfig.json"), JSON.stringify(config))
    run(directory, tool("tsc"), "--project", "tsconfig.json")
  })

  it("preloads a program, by its name and as a file, and loads nothing but Node's modules for it", () => {
    const program = "process.stdout.write(String(globalThis[Symbol.for('@libreseed/protocol/register')]))"
    const file = Path.join(installed, "dist", "register.cjs")
    for (const preload of [
      ["--import", "@libreseed/protocol/register"],
      ["--require", "@libreseed/protocol/register"],
      ["--require", file]
    ]) {
      assert.strictEqual(run(directory, process.execPath, ...preload, "-e", program), "true", preload.join(" "))
    }
    const required = [...Fs.readFileSync(file, "utf8").matchAll(/\brequire\(["'`]([^"'`]+)["'`]\)/g)].map(
      ([, name]) => name!
    )
    assert.isNotEmpty(required)
    assert.deepStrictEqual(
      required.filter((name) => !isBuiltin(name)),
      []
    )
  })

  it.each(plugins)("has a plugin for %s that loads nothing but Node's modules", (name) => {
    const foreign = [...loadedBy(Path.join(installed, "dist", `${name}.js`))].filter(
      (module) => !Path.isAbsolute(module) && !isBuiltin(module)
    )
    assert.deepStrictEqual(foreign, [])
  })

  it("declares types only in terms of its own dependencies", () => {
    const foreign = filesBelow(Path.join(installed, "dist"))
      .filter((path) => path.endsWith(".d.ts"))
      .flatMap((path) => {
        const specifiers = [...Fs.readFileSync(path, "utf8").matchAll(/(?:from |import\()"([^"]+)"/g)].map(
          (match) => match[1]!
        )
        return specifiers.map((specifier) => `${Path.relative(installed, path)}: ${specifier}`)
      })
      .filter((line) => {
        const specifier = line.slice(line.indexOf(": ") + 2)
        const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")
        return !specifier.startsWith(".") && !isBuiltin(specifier) && manifest.dependencies[name] === undefined
      })
    assert.deepStrictEqual(foreign, [])
  })

  it("passes publint", () => {
    run(directory, tool("publint"), "run", tarball, "--strict")
  })

  it("passes attw", () => {
    run(directory, tool("attw"), tarball, "--profile", "esm-only", "--no-definitely-typed", "--no-emoji", "--no-color")
  })
})

describe("the installed command line", () => {
  it("prints its version", () => {
    const output = run(directory, Path.join(directory, "node_modules", ".bin", "ls-cli"), "--version")
    assert.include(output, manifest.version)
  })

  it("starts without loading what only some commands need", () => {
    const loaded = loadedBy(Path.join(installed, "dist", "cli", "main.js"))
    assert.deepStrictEqual(
      [...loaded].filter((name) => lazyPackages.has(name)),
      []
    )
  })
})
