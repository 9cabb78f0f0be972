# Bakes a certificate on a running instance: uploads certbake and its configuration, runs it there on
# the instance's own root, brings the record back. The instance needs to reach the CA, nothing more.
#
# The source is `null`, an instance that runs already; amazon-ebs, qemu and the others go in its place.
#
#   read -rs EST_PASSWORD; export EST_PASSWORD
#   packer build -var host=192.0.2.10 -var private_key=~/.ssh/builder \
#     -var certbake="$(command -v certbake)" over-ssh.pkr.hcl

variable "host" {
  type = string
}

variable "port" {
  type    = number
  default = 22
}

variable "user" {
  type    = string
  default = "root"
}

variable "private_key" {
  type        = string
  description = "The SSH private key file."
}

variable "certbake" {
  type        = string
  description = "The certbake binary to upload, by its path; a static build runs on every Linux."
}

variable "root" {
  type        = string
  description = "The image root, as the instance sees it."
  default     = "/"
}

variable "workdir" {
  type        = string
  description = "For certbake and the password while it runs: in memory, so that the image never holds them."
  default     = "/run/certbake"
}

variable "record" {
  type        = string
  description = "Where the record of what was baked goes, on the machine that runs Packer."
  default     = "app-server.json"
}

variable "est_password" {
  type      = string
  sensitive = true # removed from everything Packer prints
  default   = env("EST_PASSWORD")

  validation {
    condition     = length(var.est_password) > 0
    error_message = "Set EST_PASSWORD to the password of the EST user."
  }
}

source "null" "instance" {
  communicator         = "ssh"
  ssh_host             = var.host
  ssh_port             = var.port
  ssh_username         = var.user
  ssh_private_key_file = var.private_key
  ssh_timeout          = "2m"
}

build {
  sources = ["source.null.instance"]

  provisioner "shell" {
    inline = ["install -d -m 0700 '${var.workdir}'"]
  }

  provisioner "file" {
    source      = var.certbake
    destination = "${var.workdir}/certbake"
  }

  provisioner "file" {
    sources     = ["${path.root}/certbake.toml", "${path.root}/ca.pem"]
    destination = "${var.workdir}/"
  }

  # With `use_env_var_file` the password travels in a file instead of on a command line, and with
  # `remote_folder` that file lies in a directory that nobody else can enter.
  provisioner "shell" {
    remote_folder    = var.workdir
    use_env_var_file = true
    environment_vars = ["EST_PASSWORD=${var.est_password}"]
    inline = [
      "cd '${var.workdir}'",
      "chmod +x certbake",
      "./certbake provision --config certbake.toml --root '${var.root}' --record record.json",
    ]
  }

  provisioner "file" {
    direction   = "download"
    source      = "${var.workdir}/record.json"
    destination = var.record
  }

  provisioner "shell" {
    inline = ["rm -rf '${var.workdir}'"]
  }

  # Packer leaves its files behind when a script fails.
  error-cleanup-provisioner "shell" {
    inline = ["rm -rf '${var.workdir}'"]
  }
}
