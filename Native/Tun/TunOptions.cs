namespace FastExit.Native.Tun;

/// <summary>What a device may leave to its reader (<c>TUN_F_*</c>): unfinished checksums and large packets.</summary>
[Flags]
public enum TunOffload : uint
{
    None = 0,
    Checksum = 0x01,
    TcpV4 = 0x02,
    TcpV6 = 0x04,
    TcpEcn = 0x08,

    /// <summary>UDP over IPv4, Linux 6.2; granted together with <see cref="UdpV6"/> only.</summary>
    UdpV4 = 0x20,
    UdpV6 = 0x40,

    Tcp = Checksum | TcpV4 | TcpV6 | TcpEcn,
    All = Tcp | UdpV4 | UdpV6,
}

/// <summary>How <see cref="TunDevice.Open"/> makes a device.</summary>
public sealed record TunOptions
{
    /// <summary>At most 15 bytes; <c>%d</c> becomes the lowest free number.</summary>
    public string Name { get; init; } = "fastexit%d";

    /// <summary>1 to 256; the kernel spreads flows over them by hash, and a flow follows the queue that wrote to it
    /// last.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>Asked for; what an older kernel lacks is left out (<see cref="TunDevice.Offload"/>).</summary>
    public TunOffload Offload { get; init; } = TunOffload.All;
}
