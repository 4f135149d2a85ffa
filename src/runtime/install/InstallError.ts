/** Ways in which an install can fail that are about the project, its tree or this machine, not about the network. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"

/** The project's directory is none, or its package.json cannot be read as one. */
export class InvalidProject extends Schema.TaggedError<InvalidProject>()("InvalidProject", {
  location: Schema.String,
  problem: Schema.String,
  /** Where nothing has been installed yet. */
  isEmpty: Schema.optionalKey(Schema.Literal(true))
}) {
  readonly exitCode = ExitCode.usage
  get hint() {
    return this.isEmpty === true
      ? "Install what its package.json asks for with: ls-cli install; or give another project with --dir."
      : "Correct it, or give another project with --dir."
  }
  override get message() {
    return `${this.location} cannot be used: ${this.problem}`
  }
}

/** A frozen install, and a lock file that is not what package.json asks for, or none at all. */
export class LockOutdated extends Schema.TaggedError<LockOutdated>()("LockOutdated", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Nothing was installed. Run ls-cli install without --frozen, and commit the lock file that it writes."
  override get message() {
    return `${this.location} ${this.problem}`
  }
}

/** Something lies where a package belongs, and no package manager put it there. */
export class ForeignContent extends Schema.TaggedError<ForeignContent>()("ForeignContent", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint =
    "Nothing was changed. Move it away and run the command again; packages that another package manager installed would be replaced."
  override get message() {
    return `${this.location} is in the way: ${this.problem}`
  }
}

/** A package that the project cannot do without is not for this machine. */
export class UnsupportedPlatform extends Schema.TaggedError<UnsupportedPlatform>()("UnsupportedPlatform", {
  package: Schema.String,
  wanted: Schema.String,
  found: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Nothing was installed. Leave the package out, or make it an optional dependency."
  override get message() {
    return `${this.package} is made for ${this.wanted}, and this machine is ${this.found}`
  }
}

/** A package asks for another version of Node, and the project is strict about that. */
export class UnsupportedEngine extends Schema.TaggedError<UnsupportedEngine>()("UnsupportedEngine", {
  package: Schema.String,
  engine: Schema.String,
  wanted: Schema.String,
  found: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Nothing was installed. Use that version, or leave --engine-strict (engine-strict in .npmrc) away."
  override get message() {
    return `${this.package} asks for ${this.engine} ${this.wanted}, and this is ${this.found}`
  }
}

/** A script that the user allowed did not end well. `output` is the end of what it printed. */
export class ScriptFailed extends Schema.TaggedError<ScriptFailed>()("ScriptFailed", {
  package: Schema.String,
  script: Schema.String,
  problem: Schema.String,
  output: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint =
    "node_modules is as it was before. Install what the script needs, or do not allow its scripts (--allow-scripts; libreseed.allowScripts in package.json)."
  override get message() {
    const output = this.output.trim() === "" ? "" : `. It printed: ${this.output.trim().replaceAll(/\s+/g, " ")}`
    return `The ${this.script} script of ${this.package} ${this.problem}${output}`
  }
}

/** A package that was named is not among the project's dependencies, or not installed. */
export class NotInstalled extends Schema.TaggedError<NotInstalled>()("NotInstalled", {
  project: Schema.String,
  names: Schema.Array(Schema.String),
  hint: Schema.String
}) {
  readonly exitCode = ExitCode.notFound
  override get message() {
    return `${this.names.join(", ")}: not found in ${this.project}`
  }
}

/** What lies on this machine does not suffice for an install. */
export class NeedsNetwork extends Schema.TaggedError<NeedsNetwork>()("NeedsNetwork", {
  needed: Schema.String
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Run the command again where the network can be reached."
  override get message() {
    return `${this.needed} is not on this machine`
  }
}

/** Files of node_modules are not those that their publishers signed. */
export class TreeChanged extends Schema.TaggedError<TreeChanged>()("TreeChanged", {
  directory: Schema.String,
  problems: Schema.Int
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint =
    "Remove node_modules and run ls-cli install: what is still sound in the store is used, the rest is fetched anew."
  override get message() {
    const places = this.problems === 1 ? "one place that differs" : `${this.problems} places that differ`
    return `${this.directory} has ${places} from what was signed`
  }
}
