/** Arguments and flags that several commands take. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as NearestProject from "./NearestProject.ts"

export const spec = Argument.String("spec").pipe(
  Argument.withDescription("Package name, with a version range if wanted: semver, semver@^7, @scope/name@1.2.3")
)

export const choice = {
  publisher: Flag.String("publisher").pipe(
    Flag.withMetavar("key"),
    Flag.withDescription("Take it from this publisher, whoever else uses the name"),
    Flag.optional
  ),
  policy: Flag.String("policy").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription(
      "How to choose between publishers of a name: firstSeen, latestVersion, userTrust or seederCount; several with commas, tried in turn"
    ),
    Flag.withDefault("firstSeen")
  )
}

/** The key that signs. */
export const signingKey = Flag.String("key").pipe(
  Flag.withMetavar("name"),
  Flag.withDescription("Key to sign with (default: default)"),
  Flag.withDefault("default")
)

export const minAcks = Flag.Int("min-acks").pipe(
  Flag.withMetavar("count"),
  Flag.withDescription("DHT nodes that must hold each record, or all there are (default: 8)"),
  Flag.withDefault(8)
)

export const watch = Flag.Boolean("watch").pipe(
  Flag.withDescription("Tell which records are put again, and how many nodes hold them"),
  Flag.withDefault(false)
)

export const metrics = Flag.String("metrics").pipe(
  Flag.withMetavar("host:port"),
  Flag.withDescription(
    "Serve metrics for Prometheus at http://host:port/metrics, to whoever can reach it (default: nowhere)"
  ),
  Flag.optional
)

export const retryRefused = Flag.Boolean("retry-refused").pipe(
  Flag.withDescription("Download again what was refused less than a day ago because its bytes were wrong"),
  Flag.withDefault(false)
)

export const undo = Flag.Boolean("undo").pipe(Flag.withDescription("Take it back"), Flag.withDefault(false))

export const exactVersion = Argument.String("version").pipe(
  Argument.withDescription("Package and exact version, like semver@7.5.0")
)

export const trustedKey = Argument.String("key").pipe(
  Argument.withDescription("Public key in any of its spellings; ls-cli query <name> shows them")
)

export const bundleFile = Argument.String("file").pipe(
  Argument.withDescription("File that ls-cli bundle -o has written")
)

export const pinnedName = Argument.String("name").pipe(Argument.withDescription("Package name"))

export const keyName = (name: string) =>
  Argument.String(name).pipe(
    Argument.withDescription("Name of the key in your keystore"),
    Argument.withDefault("default")
  )

/** What `mirror` takes. */
export const mirroring = {
  registry: Flag.String("registry").pipe(
    Flag.withMetavar("url"),
    Flag.withDescription("npm registry to take packages from (default: https://registry.npmjs.org)"),
    Flag.withDefault("https://registry.npmjs.org")
  ),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withDescription("Show what would be fetched and published, with sizes, and write nothing"),
    Flag.withDefault(false)
  ),
  concurrency: Flag.Int("concurrency").pipe(
    Flag.withMetavar("count"),
    Flag.withDescription("Packages under way at a time, and connections to the registry (default: 8)"),
    Flag.withDefault(8)
  ),
  rate: Flag.Finite("rate").pipe(
    Flag.withMetavar("requests/s"),
    Flag.withDescription("Requests to the registry a second, at most (default: 25)"),
    Flag.withDefault(25)
  ),
  includeDev: Flag.Boolean("include-dev").pipe(
    Flag.withDescription("Take what the packages named need for their own development, too"),
    Flag.withDefault(false)
  ),
  dependencies: Flag.Boolean("dependencies").pipe(
    Flag.withDescription(
      "Take what the packages depend on, too (the default); --no-dependencies: the packages named and nothing else"
    ),
    Flag.withDefault(true)
  )
}

/** What `run` takes; everything behind the program is the program's own. */
export const runFlags = {
  program: Argument.String("program").pipe(
    Argument.withDescription(
      "File to run, or a command of a package that the project depends on; without it, only fetch what is missing"
    ),
    Argument.optional
  ),
  args: Argument.String("arguments").pipe(Argument.withDescription("Arguments of the program"), Argument.variadic()),
  dir: Flag.String("dir").pipe(
    Flag.withMetavar("directory"),
    Flag.withDescription(
      "Project whose lock file counts (default: the nearest one, from the program or the current directory upwards)"
    ),
    Flag.optional
  ),
  frozen: Flag.Boolean("frozen").pipe(
    Flag.withDescription("Refuse to run where the lock file is not what package.json asks for; it is never changed"),
    Flag.withDefault(false)
  ),
  retryRefused
}

/** The project that a command works on. */
export const projectDir = Flag.String("dir").pipe(
  Flag.withMetavar("directory"),
  Flag.withDescription("Project to work on (default: the nearest one, from the current directory upwards)"),
  Flag.optional,
  Flag.map(Option.getOrElse(() => NearestProject.find(".")))
)

export const production = Flag.Boolean("production").pipe(
  Flag.withDescription("Leave out what only devDependencies ask for"),
  Flag.withDefault(false)
)

/** What `install` takes besides packages and how they are chosen. */
export const installing = {
  dir: projectDir,
  production,
  frozen: Flag.Boolean("frozen").pipe(
    Flag.withDescription("Install exactly what the lock file has, and fail where package.json asks for something else"),
    Flag.withDefault(false)
  ),
  engineStrict: Flag.Boolean("engine-strict").pipe(
    Flag.withDescription("Refuse packages that ask for another version of Node, instead of warning"),
    Flag.withDefault(false)
  ),
  allowScripts: Flag.String("allow-scripts").pipe(
    Flag.withMetavar("name,…"),
    Flag.withDescription(
      "Packages whose install scripts may run, now and from now on (kept in package.json); no scripts run otherwise"
    ),
    Flag.withDefault("")
  ),
  saveDev: Flag.Boolean("save-dev").pipe(
    Flag.withAlias("D"),
    Flag.withDescription("Write what is named into devDependencies"),
    Flag.withDefault(false)
  ),
  saveOptional: Flag.Boolean("save-optional").pipe(
    Flag.withAlias("O"),
    Flag.withDescription("Write what is named into optionalDependencies"),
    Flag.withDefault(false)
  ),
  save: Flag.Boolean("save").pipe(
    Flag.withDescription(
      "Write what is named into package.json and the lock file (the default); --no-save: into neither"
    ),
    Flag.withDefault(true)
  )
}

export const packageNames = Argument.String("name").pipe(Argument.withDescription("Package name"))
