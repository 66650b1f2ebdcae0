# What demo and test share: the .NET SDK, and Debian packages for commands that are missing. Sourced, not run.

# The SDK must not ask for libicu, send telemetry, or leave build servers behind.
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false
export DOTNET_CLI_WORKLOAD_UPDATE_NOTIFY_DISABLE=true DOTNET_SKIP_WORKLOAD_INTEGRITY_CHECK=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# SDK and NuGet keep files in HOME, which services and containers may lack.
if [ -z "${HOME:-}" ] || [ ! -d "$HOME" ] || [ ! -w "$HOME" ]; then
    export HOME="$PWD/.home"
    mkdir -p "$HOME" || fail "$PWD cannot be written by user $(id -u): clone the repository as this user"
fi

# Rings are charged to the user's locked memory and sockets to its descriptors: take what the hard limits allow.
ulimit -S -n "$(ulimit -H -n)" 2>/dev/null || true
ulimit -S -l "$(ulimit -H -l)" 2>/dev/null || true

present() {
    case $1 in
        /*) [ -e "$1" ] ;;
        *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# install PACKAGE ...: by apt; says which one command does it where this user may not.
install() {
    local command="apt-get update && apt-get install -y --no-install-recommends $*" root=() said
    command -v apt-get >/dev/null 2>&1 || fail "missing here: $*; install them with this system's package manager"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || fail "missing here: $*; run this as root, then start again: $command"
        root=(sudo)
        # Without a terminal nobody can type a password.
        [ -t 0 ] || root=(sudo -n)
    fi
    printf 'installing %s\n' "$*"
    if ! said=$("${root[@]}" sh -c "export DEBIAN_FRONTEND=noninteractive; $command" 2>&1 </dev/null); then
        printf '%s\n' "$said" | tail -n 15 >&2
        fail "could not install $*; run this as root, then start again: $command"
    fi
}

# need COMMAND=PACKAGE ...: installs the packages of commands (or files) that are not there.
need() {
    local pair missing=()
    for pair in "$@"; do
        present "${pair%%=*}" || missing+=("${pair#*=}")
    done
    [ "${#missing[@]}" -eq 0 ] || install "${missing[@]}"
}

# want REASON COMMAND=PACKAGE ...: as need, but goes on without them.
want() {
    local reason=$1 pair missing=()
    shift
    for pair in "$@"; do
        present "${pair%%=*}" || missing+=("${pair#*=}")
    done
    [ "${#missing[@]}" -eq 0 ] || (install "${missing[@]}") 2>/dev/null || printf 'going on without %s: %s\n' "${missing[*]}" "$reason"
}

# What the tests of tunnels run in network namespaces of their own.
want_network_tools() {
    want 'the tests that need network namespaces are skipped' ip=iproute2 ping=iputils-ping dig=bind9-dnsutils dnsmasq=dnsmasq-base \
        iperf3=iperf3 nft=nftables tcpdump=tcpdump
}

# curl, and where Debian keeps them the certificates without which neither it nor NuGet trusts any server.
need_curl() {
    local wanted=(curl=curl)
    ! command -v apt-get >/dev/null 2>&1 || wanted+=(/etc/ssl/certs/ca-certificates.crt=ca-certificates)
    need "${wanted[@]}"
}

need_dotnet() {
    local candidate
    for candidate in "$(command -v dotnet || true)" "${DOTNET_ROOT:-}/dotnet" "$HOME/.dotnet/dotnet" /usr/share/dotnet/dotnet /usr/lib/dotnet/dotnet; do
        [ -x "$candidate" ] && "$candidate" --list-sdks 2>/dev/null | grep -q '^10\.' || continue
        # The built programs look for the runtime there; the SDK need not be where they would look by themselves.
        DOTNET_ROOT=$(dirname "$(readlink -f "$candidate")")
        export DOTNET_ROOT PATH="$DOTNET_ROOT:$PATH"
        return 0
    done
    printf '%s\n' 'The .NET 10 SDK is missing. This gets it, then start again:' >&2
    printf '%s\n' '  curl -fsSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0' >&2
    exit 1
}
