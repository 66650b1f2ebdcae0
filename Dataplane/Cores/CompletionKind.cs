namespace FastExit.Cores;

/// <summary>Bits 63..56 of a completion's user data: which room it belongs to. Bits 55..32: generation, bits 31..0: index.</summary>
internal static class CompletionKind
{
    public const byte Accept = 0x01;
    public const byte MixReceive = 0x02;
    public const byte MixClosed = 0x03;
    public const byte MixSend = 0x04;
    public const byte EgressConnect = 0x10;
    public const byte EgressSend = 0x11;
    public const byte EgressReceive = 0x12;
    public const byte EgressClosed = 0x13;

    /// <summary>0x20..0x2F: the Network Requester.</summary>
    public const byte NetworkRequesterFirst = 0x20;
    public const byte NetworkRequesterLast = 0x2F;

    /// <summary>Another core's message: look at the rings.</summary>
    public const byte Wake = 0x30;

    /// <summary>The control plane's signal: look at its rings.</summary>
    public const byte Signal = 0x31;

    /// <summary>Nothing waits for this completion.</summary>
    public const byte Ignored = 0x3F;

    /// <summary>0x40..0x4F: the IP Packet Router.</summary>
    public const byte IpPacketRouterFirst = 0x40;
    public const byte IpPacketRouterLast = 0x4F;

    private const uint GenerationMask = 0xFF_FFFF;

    public static ulong Pack(byte kind, uint generation, int index) =>
        ((ulong)kind << 56) | ((ulong)(generation & GenerationMask) << 32) | (uint)index;

    public static byte KindOf(ulong userData) => (byte)(userData >> 56);

    public static int IndexOf(ulong userData) => (int)(uint)userData;

    public static bool SameGeneration(ulong userData, uint generation) =>
        ((userData >> 32) & GenerationMask) == (generation & GenerationMask);
}
