namespace FastExit.Crypto.EndToEnd;

/// <summary>
/// Which of a node's two Sphinx keys a packet is meant for; the value is the byte on the wire (end-to-end.md §2.3).
/// </summary>
public enum KeyRotation : byte
{
    Unknown = 0,
    Odd = 1,
    Even = 2,
}

/// <summary>Conversions of <see cref="KeyRotation"/>.</summary>
public static class KeyRotations
{
    extension(KeyRotation)
    {
        /// <summary>Parity of a rotation number; 0 and 2^32-1 mean that no rotation is known.</summary>
        public static KeyRotation FromId(uint rotationId) => rotationId switch
        {
            0 or uint.MaxValue => KeyRotation.Unknown,
            _ when (rotationId & 1) == 1 => KeyRotation.Odd,
            _ => KeyRotation.Even,
        };

        public static bool TryFromByte(byte value, out KeyRotation rotation)
        {
            rotation = (KeyRotation)value;
            return value <= (byte)KeyRotation.Even;
        }
    }
}
