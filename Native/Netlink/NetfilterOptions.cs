using System.Net;

namespace FastExit.Native.Netlink;

/// <summary>What a <see cref="NetfilterTable"/> holds.</summary>
public sealed record NetfilterOptions
{
    /// <summary>The table is called <c>fastexit_</c> and this: letters, digits, <c>_</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The TUN device; need not exist yet.</summary>
    public required string Device { get; init; }

    /// <summary>Sources to hide behind the host's own address; null leaves the family alone.</summary>
    public IPNetwork? PoolIPv4 { get; init; }

    /// <inheritdoc cref="PoolIPv4"/>
    public IPNetwork? PoolIPv6 { get; init; }

    /// <summary>Refuses what comes from the device and would go back into it: one tunnel address to another.</summary>
    public bool DropDeviceToDevice { get; init; } = true;

    /// <summary>Asks the kernel to remove the table when this process ends, however it ends (Linux 5.12).</summary>
    public bool Owned { get; init; } = true;
}
