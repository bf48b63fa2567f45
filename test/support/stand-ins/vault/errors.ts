/** What Vault answers with a status that is not a good one: `{"errors": […]}`. */
export class VaultError extends Error {
  readonly status: number
  constructor(status: number, message = '') {
    super(message)
    this.status = status
  }
}
