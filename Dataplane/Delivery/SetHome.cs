using FastExit.Crypto.EndToEnd;

namespace FastExit.Delivery;

/// <summary>
/// Which core a set id belongs to: there the fragments of an incoming set meet, and the acks of an outgoing one are awaited, whatever
/// connection they come in by.
/// </summary>
internal static class SetHome
{
    public static int Of(uint setId, int cores) => (int)(Scatter(setId) % (uint)cores);

    /// <summary>A random id for a set that this core sends.</summary>
    public static uint NextFor(int core, int cores)
    {
        uint setId = SetId.Next();
        while (Of(setId, cores) != core)
            setId = setId == SetId.Maximum ? 1 : setId + 1;
        return setId;
    }

    public static uint Scatter(uint value)
    {
        value *= 0x9E37_79B1u;
        return value ^ (value >> 16);
    }
}
