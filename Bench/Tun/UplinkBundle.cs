using System.Buffers.Binary;
using FastExit.IpPacketRouter.Protocol;

namespace FastExit.Bench.Tun;

/// <summary>Packets of one message upwards, each behind its length (ip-packet-router.md §2.1).</summary>
internal sealed class UplinkBundle
{
    private readonly byte[] _bytes = new byte[BundleLimits.PrefixBytes + ushort.MaxValue];
    private int _used;

    public int Packets { get; private set; }

    /// <summary>When the first packet came; milliseconds.</summary>
    public long Started { get; private set; }

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _used);

    /// <summary>False: the bundle goes out first.</summary>
    public bool TryAdd(ReadOnlySpan<byte> packet, int limit, long now)
    {
        if (!BundleLimits.Fits(_used, packet.Length, limit))
            return false;
        if (_used == 0)
            Started = now;
        BinaryPrimitives.WriteUInt16BigEndian(_bytes.AsSpan(_used), (ushort)packet.Length);
        packet.CopyTo(_bytes.AsSpan(_used + BundleLimits.PrefixBytes));
        _used += BundleLimits.PrefixBytes + packet.Length;
        Packets++;
        return true;
    }

    public void Clear() => _used = Packets = 0;
}
