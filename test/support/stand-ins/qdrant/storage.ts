/** Everything that the server keeps on disk: collections, aliases, snapshots. Read again at start. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../files.ts'
import { Collection, type Config } from './collection.ts'
import { badInput, exists, notFound } from './errors.ts'

export class Storage {
  readonly snapshotsDir: string
  /** Stands in the names of snapshots; one of its own for each server. */
  readonly peerId: number
  readonly aliases: Map<string, string>
  readonly collections = new Map<string, Collection>()
  private readonly dir: string

  constructor(dir: string) {
    this.dir = dir
    this.snapshotsDir = join(dir, 'snapshots')
    for (const folder of ['collections', 'snapshots']) mkdirSync(join(dir, folder), { recursive: true })
    // What a server that was killed had in the making.
    rmSync(join(dir, 'tmp'), { recursive: true, force: true })
    mkdirSync(join(dir, 'tmp'))
    const peer = join(dir, 'raft_state.json')
    if (!existsSync(peer)) writeFileSync(peer, JSON.stringify({ peer_id: Math.floor(Math.random() * 2 ** 50) }))
    this.peerId = (JSON.parse(readFileSync(peer, 'utf8')) as { peer_id: number }).peer_id
    this.aliases = new Map(Object.entries(existsSync(this.aliasFile) ? JSON.parse(readFileSync(this.aliasFile, 'utf8')) : {}))
    // A folder that a killed server was making is no collection: nobody was told of it.
    const names = readdirSync(join(dir, 'collections')).filter((name) => Collection.isIn(this.folderOf(name)))
    for (const name of names) this.collections.set(name, new Collection(this.folderOf(name)))
  }

  private get aliasFile(): string {
    return join(this.dir, 'aliases.json')
  }

  private folderOf(name: string): string {
    return join(this.dir, 'collections', name)
  }

  scratchFolder(purpose: string): Promise<string> {
    return mkdtemp(join(this.dir, 'tmp', `${purpose}-`))
  }

  /** By its name or one of its aliases. */
  collection(name: string): Collection {
    const found = this.collections.get(this.aliases.get(name) ?? name)
    if (!found) throw notFound(`Collection \`${name}\` doesn't exist!`)
    return found
  }

  create(name: string, config: Config): void {
    if (this.collections.has(name)) throw exists(`Collection \`${name}\` already exists!`)
    this.checkName(name)
    this.collections.set(name, Collection.create(this.folderOf(name), config))
  }

  checkName(name: string): void {
    if (this.aliases.has(name)) throw badInput(`Can't create collection with name ${name}. Alias with the same name already exists`)
    if (!/^(?!\.)[^<>:"/\\|?*\0]{1,255}$/.test(name)) throw badInput(`collection name cannot be "${name}"`)
  }

  /** Its aliases go with it; its snapshots stay. False where there is none. */
  delete(name: string): boolean {
    const found = this.collections.delete(name)
    rmSync(this.folderOf(name), { recursive: true, force: true })
    this.changeAliases((aliases) => {
      for (const [alias, target] of aliases) if (target === name) aliases.delete(alias)
    })
    return found
  }

  /** All of the changes or none. */
  changeAliases(change: (aliases: Map<string, string>) => void): void {
    const changed = new Map(this.aliases)
    change(changed)
    this.aliases.clear()
    for (const [alias, name] of changed) this.aliases.set(alias, name)
    replaceFile(this.aliasFile, JSON.stringify(Object.fromEntries(changed)))
  }

  /** Puts the collection of a folder in the place of one that there may be. */
  replace(name: string, folder: string): void {
    const found = this.collections.get(name)
    const wanted = new Collection(folder).state.config.params
    const present = found?.state.config.params
    if (present && JSON.stringify(present.vectors) !== JSON.stringify(wanted.vectors))
      throw badInput(
        `Snapshot is not compatible with existing collection: Collection vectors: ${JSON.stringify(present.vectors)} Snapshot Vectors: ${JSON.stringify(wanted.vectors)}`,
      )
    rmSync(this.folderOf(name), { recursive: true, force: true })
    renameSync(folder, this.folderOf(name))
    this.collections.set(name, new Collection(this.folderOf(name)))
  }
}
