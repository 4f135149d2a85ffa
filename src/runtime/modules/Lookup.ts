/**
 * `lookup(specifier, importer)`: the file that an import means, without node_modules. What a file may
 * import is what the lock file says its package sees; the files lie in the store, shared by all projects,
 * in a directory for each place in the tree, so that a path tells on whose behalf it imports.
 *
 * Node's hooks and the plugins of bundlers all stand on this. Synchronous; keeps what it has read of the
 * store, which never changes, and looks at the lock file again when its time or size changed.
 */
import { isBuiltin } from "node:module"
import * as Path from "node:path"
import * as ExportsMap from "./ExportsMap.ts"
import * as LockedModules from "./LockedModules.ts"
import * as ModuleError from "./ModuleError.ts"
import * as ModuleStore from "./ModuleStore.ts"
import * as PackageFile from "./PackageFile.ts"
import * as PackageJson from "./PackageJson.ts"

/** A package of the store that an import means, and what of it: `.`, or `./path`. */
export interface Located {
  /** Its key in the lock. */
  readonly id: string
  readonly directory: string
  readonly subpath: string
  /** What a file at the root of the package would import to mean the same: itself, or a path. */
  readonly inside: string
  readonly manifest: PackageJson.PackageJson
}

export type Answer =
  /** An absolute path. */
  | { readonly _tag: "File"; readonly path: string }
  /** A module of the platform, which `imports` of a package.json named. */
  | { readonly _tag: "Builtin"; readonly specifier: string }

/** All of it throws `ModuleError` where a package of the store imports what it cannot have. */
export interface Lookup {
  /** Real path of the project's directory. */
  readonly project: string
  readonly lock: string
  /** Real paths of the directories that releases are in. */
  readonly store: ReadonlyArray<string>
  /** The file, as Node's `import` looks for it. */
  readonly lookup: (specifier: string, importer: string) => string | undefined
  /**
   * What a bare specifier, or one that begins with `#`, means for a file. `undefined` where that is nothing of ours to
   * say: the importer is neither in the project nor in the store, or it is in the project and the lock has no such name.
   */
  readonly resolve: (specifier: string, importer: string, manner: PackageFile.Manner) => Answer | undefined
  /** As `resolve`, for those who find the file in the package by themselves. */
  readonly locate: (specifier: string, importer: string, isRequire?: boolean) => Located | undefined
  /** Whether, in a browser, the importing package of the store has a file of its own, or nothing, for a specifier. */
  readonly isReplaced: (specifier: string, importer: string) => boolean
  /** The file of a package that `locate` found. */
  readonly fileOf: (found: Located, manner: PackageFile.Manner) => string
  readonly isInStore: (path: string) => boolean
  /** Whether a path is the directory of a package in the store. */
  readonly isPackage: (path: string) => boolean
  /** The file that a relative specifier means in a file of the store, where its extension may be left out. */
  readonly relative: (specifier: string, importer: string, manner: PackageFile.Manner) => string | undefined
  /** The file that is run as this command, of a package that the project depends on; `undefined` where none has it. */
  readonly command: (name: string) => string | undefined
}

export interface Options {
  /** Of the lock file. */
  readonly lock: string
  /** Directory of the store, absolute. */
  readonly home: string
}

/** As Node's `import` looks for files. */
export const IMPORT: PackageFile.Manner = {
  conditions: new Set(["node", "import", "module-sync", "node-addons"]),
  mainFields: ["main"],
  extensions: [".js", ".json", ".node"],
  isLenient: false,
  isRequire: false
}

/** As bundlers look for files, in as much as they agree. */
export const BUNDLED: PackageFile.Manner = {
  conditions: new Set(["module", "import"]),
  mainFields: ["module", "main"],
  extensions: [".mjs", ".js", ".json"],
  isLenient: true,
  isRequire: false
}

/** `name`, `name/path`, `@scope/name`, `@scope/name/path`: anything else names no package. */
const BARE = /^(?<name>(?:@[^/\\%:]+\/)?[^./\\%#@:][^/\\%:]*)(?<rest>\/.*)?$/s

/** Who imports: the project (no instance), or a package where it stands. */
interface Importer {
  readonly instance: LockedModules.Instance | undefined
  readonly directory: string
}

const splitOf = (specifier: string): { readonly name: string; readonly subpath: string } | undefined => {
  const { name, rest = "" } = BARE.exec(specifier)?.groups ?? {}
  return name === undefined || specifier.includes("\0") ? undefined : { name, subpath: `.${rest}` }
}

/** The package that a bare specifier names; all of it where it names none. */
export const nameOf = (specifier: string): string => splitOf(specifier)?.name ?? specifier

/** Reads the lock file. Throws `ModuleError` (`InvalidLock`). */
export const open = ({ home, lock }: Options): Lookup => {
  const store = ModuleStore.open(home)
  const read = LockedModules.read(lock)
  const locked = { ...read, instances: ModuleStore.placed(store, read.instances) }
  const manifests = new Map<string, PackageJson.PackageJson | undefined>()
  const directories = new Map<string, string>()
  const instances = new Map<string, LockedModules.Instance>()
  let isComplete = false

  /** Of the store: those never change. */
  const kept = (directory: string): PackageJson.PackageJson | undefined => {
    if (!manifests.has(directory)) manifests.set(directory, PackageJson.read(directory))
    return manifests.get(directory)
  }

  const directoryOf = (instance: LockedModules.Instance, isRequire: boolean): string => {
    const known = directories.get(instance.id)
    if (known !== undefined) return known
    const directory = store.directoryOf(instance)
    if (directory === undefined) throw ModuleError.notInStore(instance.id, isRequire)
    directories.set(instance.id, directory)
    instances.set(directory, instance)
    return directory
  }

  const instanceAt = (directory: string): LockedModules.Instance | undefined => {
    if (instances.has(directory) || isComplete) return instances.get(directory)
    // A thread or a process that begins inside of a package: nobody has imported that one here yet.
    isComplete = true
    for (const instance of locked.instances.values()) {
      const place = store.directoryOf(instance)
      if (place !== undefined) instances.set(place, instance)
    }
    return instances.get(directory)
  }

  const importerOf = (file: string): Importer | undefined => {
    const directory = store.packageOf(file)
    if (directory !== undefined) {
      const instance = instanceAt(directory)
      return instance === undefined ? undefined : { instance, directory }
    }
    if (!PackageFile.isInside(locked.directory, file)) return undefined
    const isInstalled = file.slice(locked.directory.length).includes(`${Path.sep}node_modules${Path.sep}`)
    return isInstalled ? undefined : { instance: undefined, directory: locked.directory }
  }

  /** The nearest package.json from a file up to where its package ends. */
  const scopeOf = (importer: Importer, file: string): PackageJson.PackageJson | undefined => {
    const manifestOf = importer.instance === undefined ? PackageJson.read : kept
    for (let at = Path.dirname(file); PackageFile.isInside(importer.directory, at); at = Path.dirname(at)) {
      const found = manifestOf(at)
      if (found !== undefined) return found
      if (at === Path.dirname(at)) break
    }
    return undefined
  }

  const located = (instance: LockedModules.Instance, subpath: string, isRequire: boolean): Located => {
    const directory = directoryOf(instance, isRequire)
    const manifest = kept(directory)
    if (manifest === undefined) throw ModuleError.notInStore(instance.id, isRequire)
    const { exports, name } = manifest
    const path = subpath === "." ? "./" : subpath
    const inside = exports === undefined || name === undefined ? path : `${name}${subpath.slice(1)}`
    return { id: instance.id, directory, subpath, inside, manifest }
  }

  const locateFor = (importer: Importer, specifier: string, file: string, isRequire: boolean): Located | undefined => {
    const { instance } = importer
    const parts = splitOf(specifier)
    // A path, a URL, or nothing that anybody could import: that is for Node or the bundler to say.
    if (parts === undefined) return undefined
    const { name, subpath } = parts
    const id = (instance?.dependencies ?? locked.project).get(name)
    if (instance !== undefined && name === instance.name) {
      // Node prefers a package itself where it has exports; in an isolated node_modules it finds itself anyway.
      const isItself = id === undefined || kept(importer.directory)?.exports !== undefined
      if (isItself) return located(instance, subpath, isRequire)
    }
    if (id !== undefined) return located(locked.instances.get(id)!, subpath, isRequire)
    if (instance === undefined || isBuiltin(specifier)) return undefined
    throw ModuleError.notADependency(specifier, name, { id: instance.id, file }, isRequire)
  }

  const fileOf: Lookup["fileOf"] = ({ id, manifest, subpath }, manner) =>
    PackageFile.resolve(manifest, id, subpath, manner, kept)

  /** What `imports` of the importer's package.json says; `undefined` where it has none, which Node then tells. */
  const importsOf = (
    importer: Importer,
    specifier: string,
    file: string,
    manner: PackageFile.Manner
  ): Answer | undefined => {
    const scope = scopeOf(importer, file)
    if (scope?.imports === undefined) return undefined
    const target = ExportsMap.resolveImports(scope.imports, specifier, manner.conditions, scope.location)
    if (target === undefined) throw ModuleError.notDefined(specifier, scope.location)
    if (target.startsWith("./")) return { _tag: "File", path: Path.join(scope.directory, target) }
    if (isBuiltin(target)) return { _tag: "Builtin", specifier: target }
    const found = locateFor(importer, target, file, manner.isRequire)
    if (found === undefined) throw ModuleError.notADependency(target, target, { id: undefined, file }, manner.isRequire)
    return { _tag: "File", path: fileOf(found, manner) }
  }

  const resolve: Lookup["resolve"] = (specifier, importerFile, manner) => {
    const importer = importerOf(importerFile)
    if (importer === undefined) return undefined
    if (specifier.startsWith("#")) return importsOf(importer, specifier, importerFile, manner)
    const found = locateFor(importer, specifier, importerFile, manner.isRequire)
    return found === undefined ? undefined : { _tag: "File", path: fileOf(found, manner) }
  }

  return {
    project: locked.directory,
    lock: locked.location,
    store: store.directories,
    resolve,
    fileOf,
    lookup: (specifier, importer) => {
      const answer = resolve(specifier, importer, IMPORT)
      return answer?._tag === "File" ? answer.path : undefined
    },
    locate: (specifier, importerFile, isRequire = false) => {
      const importer = importerOf(importerFile)
      return importer === undefined ? undefined : locateFor(importer, specifier, importerFile, isRequire)
    },
    isReplaced: (specifier, importerFile) => {
      const importer = importerOf(importerFile)
      if (importer?.instance === undefined) return false
      const target = scopeOf(importer, importerFile)?.browser.get(specifier)
      return target === false || target?.startsWith("./") === true
    },
    isPackage: (path) => store.packageOf(path) === path,
    isInStore: (path) => store.packageOf(path) !== undefined,
    relative: (specifier, importer, manner) => {
      const directory = store.packageOf(importer)
      if (directory === undefined) return undefined
      return PackageFile.lenient(Path.resolve(Path.dirname(importer), specifier), directory, manner, kept)
    },
    command: (name) => {
      for (const id of locked.project.values()) {
        const directory = store.directoryOf(locked.instances.get(id)!)
        const manifest = directory === undefined ? undefined : kept(directory)
        const path = manifest?.bin.get(name)
        if (manifest === undefined || path === undefined) continue
        const file = Path.resolve(manifest.directory, path)
        if (PackageFile.isInside(manifest.directory, file)) return file
      }
      return undefined
    }
  }
}
