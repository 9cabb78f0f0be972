# Bakes a certificate into an image root that is mounted on the machine that runs Packer, then packs
# the root into a tar file. Nothing is booted, so the builder is `null` without a communicator.
#
#   read -rs EST_PASSWORD; export EST_PASSWORD
#   packer build -var root=/mnt/image mounted-root.pkr.hcl

variable "root" {
  type        = string
  description = "Where the root file system of the image is mounted."
}

variable "image" {
  type        = string
  description = "The tar file to make."
  default     = "app-server.tar"
}

# Declared so that Packer asks for it before it starts, and removes it from everything it prints.
variable "est_password" {
  type      = string
  sensitive = true
  default   = env("EST_PASSWORD")

  validation {
    condition     = length(var.est_password) > 0
    error_message = "Set EST_PASSWORD to the password of the EST user."
  }
}

source "null" "image" {
  communicator = "none"
}

build {
  sources = ["source.null.image"]

  # certbake inherits EST_PASSWORD. In `environment_vars` it would stand on the command line of the
  # shell that Packer starts, where every user of this machine can read it.
  provisioner "shell-local" {
    inline = [
      "rm -f '${var.image}' '${var.image}.json'", # of an earlier build
      "certbake provision --config '${path.root}/certbake.toml' --root '${var.root}' --record '${var.image}.json'",
    ]
  }

  # Reached only when the certificate is good for long enough: a failed build has no image. Owners are packed as
  # the image's own numbers, not as what this machine calls them: unpacked elsewhere, such a name may be another's.
  # Unpack with the same options, and `--xattrs-include='*'`. The tar file holds the private key: nobody else may
  # read it, and it has its name once it is complete.
  post-processor "shell-local" {
    inline = [
      "umask 077",
      "tar -C '${var.root}' --numeric-owner --acls --selinux --xattrs -cf '${var.image}.part' .",
      "mv '${var.image}.part' '${var.image}'",
    ]
  }
}
