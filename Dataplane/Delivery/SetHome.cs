namespace FastExit.Delivery;

/// <summary>
/// Which core a set id belongs to: there the fragments of an incoming set meet, and the acks of an outgoing one are awaited, whatever
/// connection they come in by.
/// </summary>
internal static class SetHome
{
    public static int Of(uint setId, int cores) => (int)(Scatter(setId) % (uint)cores);

    public static uint Scatter(uint value)
    {
        value *= 0x9E37_79B1u;
        return value ^ (value >> 16);
    }
}
